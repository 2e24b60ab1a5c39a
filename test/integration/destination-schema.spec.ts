import { randomUUID } from 'node:crypto';
import { DestinationError, type TableChange } from '@sluice/connectors';
import { column, type DestinationPlane, destinationPlane, int, order, put } from '../support/destination';

let plane: DestinationPlane;
beforeAll(async () => {
  plane = await destinationPlane();
});
afterEach(() => plane.clean());
afterAll(() => plane.close());

describe('the schema sluice', () => {
  /** As the first form made it. */
  const FIRST = `
    CREATE SCHEMA sluice; CREATE SEQUENCE sluice.load_id START 100;
    CREATE TABLE sluice.lease (ingestion uuid PRIMARY KEY, fence bigint NOT NULL DEFAULT 0, run uuid, writer_pid integer, writer_started timestamptz,
      heartbeat_pid integer, heartbeat_started timestamptz, expires_at timestamptz NOT NULL DEFAULT '-infinity');
    CREATE TABLE sluice.ledger (load_id bigint PRIMARY KEY, ingestion uuid NOT NULL, path text NOT NULL, version text NOT NULL, fingerprint text NOT NULL,
      rows bigint NOT NULL, rejected bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL, run uuid NOT NULL, fence bigint NOT NULL,
      loaded_at timestamptz NOT NULL DEFAULT now(), UNIQUE (ingestion, path));
    CREATE INDEX ledger_by_ingestion ON sluice.ledger (ingestion, load_id);`;
  const SHAPE = `SELECT c.relname, attname, format_type(atttypid, atttypmod) AS type, attnotnull, attcollation::regcollation::text, pg_get_expr(adbin, adrelid)
    FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
    WHERE relnamespace = 'sluice'::regnamespace AND attnum > 0 ORDER BY 1, 2`;

  it('of an earlier installation is brought forward, with all that is in it', async () => {
    const [ingestion, run] = [randomUUID(), randomUUID()];
    await plane.client.query(FIRST);
    await plane.client.query("INSERT INTO sluice.ledger VALUES (7, $1, 'a', 'v', 'f1', 1, 0, 10, $2, 3)", [
      ingestion,
      run,
    ]);
    await plane.client.query('INSERT INTO sluice.lease (ingestion, fence) VALUES ($1, 3)', [ingestion]);
    const session = await plane.session(ingestion);
    expect(await session.ledgerSince(null, 10)).toEqual([
      { loadId: '7', path: 'a', version: 'v', rows: 1, rejected: 0, bytes: 10, runId: run },
    ]);
    const upgraded = await plane.rows(SHAPE);
    expect(await plane.values('SELECT step FROM sluice.schema_step ORDER BY step')).toEqual([1, 2, 3]);
    await plane.clean();
    await plane.session();
    expect(await plane.rows(SHAPE)).toEqual(upgraded);
  });

  it('is made once by many who come at the same time, and left alone by those who come later', async () => {
    await plane.client.query(FIRST);
    await Promise.all(Array.from({ length: 8 }, () => plane.session()));
    const before = await plane.values(
      "SELECT xmin || ' ' || oid FROM pg_class WHERE relnamespace = 'sluice'::regnamespace ORDER BY oid",
    );
    await plane.session();
    expect(await plane.values('SELECT step FROM sluice.schema_step ORDER BY step')).toEqual([1, 2, 3]);
    expect(
      await plane.values(
        "SELECT xmin || ' ' || oid FROM pg_class WHERE relnamespace = 'sluice'::regnamespace ORDER BY oid",
      ),
    ).toEqual(before);
  });

  it('that is further than this program is left as it is', async () => {
    await plane.session();
    await plane.client.query('INSERT INTO sluice.schema_step (step) VALUES (99)');
    await plane.session();
    expect(await plane.values('SELECT step FROM sluice.schema_step ORDER BY step')).toEqual([1, 2, 3, 99]);
  });
});

describe('a table Sluice makes', () => {
  it('has the columns, _rescued and _load_id, and a unique index on keys that are NOT NULL', async () => {
    const session = await plane.session();
    expect(await session.table(plane.table)).toBeNull();
    const columns = [
      { name: 'a', type: 'text' },
      { name: 'k "q"', type: 'bigint' },
    ] as const;
    await session.createTable({ schema: 'new one', table: 't' }, columns, { keys: ['k "q"'], rescued: true });
    const info = await session.table({ schema: 'new one', table: 't' });
    expect(info?.columns.map(({ name, type, notNull }) => [name, type, notNull])).toEqual([
      ['a', 'text', false],
      ['k "q"', 'bigint', true],
      ['_rescued', 'jsonb', false],
      ['_load_id', 'bigint', true],
    ]);
    expect(info).toMatchObject({ ours: true, uniqueKeys: [['k "q"']] });
    await plane.client.query('DROP SCHEMA "new one" CASCADE');
  });

  it('is no longer ours once it was dropped and somebody else made one of its name, or got its number', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [], { keys: [], rescued: false });
    await plane.client.query('DROP TABLE t; CREATE TABLE t (id int)');
    expect((await session.table(plane.table))?.ours).toBe(false);
    await plane.client.query("UPDATE sluice.own_table SET relation = 't'::regclass");
    expect((await session.table(plane.table))?.ours).toBe(false);
    await session.createTable(plane.table, [], { keys: [], rescued: false });
    expect((await session.table(plane.table))?.ours).toBe(false);
    await plane.client.query('DROP TABLE t');
    await session.createTable(plane.table, [], { keys: [], rescued: false });
    expect((await session.table(plane.table))?.ours).toBe(true);
  });

  it('is refused where something else has its name', async () => {
    await plane.client.query('CREATE VIEW t AS SELECT 1 AS id');
    const session = await plane.session();
    await expect(session.table(plane.table)).rejects.toMatchObject({ type: 'schema_mismatch' });
    await expect(session.createTable(plane.table, [], { keys: [], rescued: false })).rejects.toThrow(
      '"public"."t" is not a table',
    );
  });

  it('is made once by several who want it at the same time', async () => {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => plane.session()));
    await Promise.all(
      sessions.map((session) =>
        session.createTable(plane.table, [{ name: 'id', type: 'integer' }], { keys: ['id'], rescued: false }),
      ),
    );
    expect(await sessions[0]?.table(plane.table)).toMatchObject({ ours: true, uniqueKeys: [['id']] });
  });

  it('may be the first of a schema, however many others are so too', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => plane.session()));
    for (let round = 0; round < 3; round += 1) {
      const tables = sessions.map((_, index) => ({ schema: 'first "of" all', table: `t${index}` }));
      const made = sessions.map((session, index) =>
        session.createTable(tables[index]!, [{ name: 'id', type: 'integer' }], { keys: [], rescued: false }),
      );
      expect(await Promise.allSettled(made)).toEqual(sessions.map(() => ({ status: 'fulfilled', value: undefined })));
      await plane.client.query('DROP SCHEMA "first ""of"" all" CASCADE');
    }
  });
});

describe('altering a table', () => {
  it.each([
    ['smallint', 'integer', '7', '7'],
    ['bigint', 'numeric', '9223372036854775807', '9223372036854775807'],
    ['integer', 'numeric', '7', '7'],
    ['real', 'double precision', '0.5', '0.5'],
    ['double precision', 'numeric', '0.1234567890123456', '0.1234567890123456'],
    ['double precision', 'numeric', '1e22', '10000000000000000000000'],
    ['real', 'numeric', '0.1', '0.1'],
    ['double precision', 'text', '0.1234567890123456', '0.1234567890123456'],
    ['real', 'text', '3.4028235e+38', '3.4028235e+38'],
    ['numeric', 'text', '1.00', '1.00'],
    ['boolean', 'text', 'true', 'true'],
    ['date', 'timestamp without time zone', '2024-02-29', '2024-02-29 00:00:00'],
    ['date', 'text', '2024-02-29', '2024-02-29'],
    ['timestamp without time zone', 'text', '2024-02-29 01:02:03.5', '2024-02-29 01:02:03.5'],
    ['timestamp with time zone', 'text', '2024-02-29 01:02:03.5+02', '2024-02-28 23:02:03.5+00'],
    ['jsonb', 'text', '{"a": 1.0}', '{"a": 1.0}'],
    ['uuid', 'text', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000a'],
    ['character varying(5)', 'text', 'abc', 'abc'],
  ] as const)('widens %s to %s and changes no value: %s', async (before, type, value, after) => {
    await plane.client.query(`CREATE TABLE t (v ${before}, _load_id bigint)`);
    await plane.client.query(`INSERT INTO t VALUES ($1::text::${before}), (NULL)`, [value]);
    // What a role's own settings say of forms must not matter.
    await plane.client.query(`DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -5', current_database());
      EXECUTE format('ALTER DATABASE %I SET DateStyle = ''SQL, DMY''', current_database());
      EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database()); END $$`);
    const session = await plane.session();
    await session.alter(plane.table, [{ kind: 'widen', column: 'v', type }]);
    expect((await session.table(plane.table))?.columns[0]).toMatchObject({ type });
    expect(await plane.values('SELECT v::text FROM t WHERE v IS NOT NULL')).toEqual([after]);
  });

  it('adds, drops and makes nullable, all or nothing', async () => {
    await plane.client.query('CREATE TABLE t (a int NOT NULL, b int, _load_id bigint)');
    const session = await plane.session();
    const changes: TableChange[] = [
      { kind: 'add', column: 'c', type: 'text' },
      { kind: 'nullable', column: 'a' },
      { kind: 'drop', column: 'b' },
    ];
    await session.alter(plane.table, changes);
    await session.alter(plane.table, changes);
    expect((await session.table(plane.table))?.columns.map(({ name, notNull }) => [name, notNull])).toEqual([
      ['a', false],
      ['_load_id', false],
      ['c', false],
    ]);
    const broken = session.alter(plane.table, [
      { kind: 'add', column: 'd', type: 'text' },
      { kind: 'nullable', column: 'nowhere' },
    ]);
    await expect(broken).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'later' });
    expect((await session.table(plane.table))?.columns).toHaveLength(3);
  });

  it('never narrows what another ingestion has widened meanwhile', async () => {
    await plane.client.query("CREATE TABLE t (v text, _load_id bigint); INSERT INTO t VALUES ('x')");
    const session = await plane.session();
    await session.alter(plane.table, [{ kind: 'widen', column: 'v', type: 'bigint' }]);
    expect((await session.table(plane.table))?.columns[0]).toMatchObject({ type: 'text' });
  });

  it.each([
    ['widen', 'CREATE VIEW "the view" AS SELECT v FROM t', 'the view'],
    ['drop', 'CREATE VIEW "the view" AS SELECT v FROM t', 'the view'],
    ['widen', 'ALTER TABLE t ALTER v SET DEFAULT true, ADD CONSTRAINT c CHECK (v)', 'CHECK'],
    ['nullable', 'ALTER TABLE t ADD PRIMARY KEY (v)', 'primary key'],
  ] as const)('says what stands in the way: %s, %s', async (kind, statement, named) => {
    await plane.client.query(`CREATE TABLE t (v boolean, _load_id bigint); ${statement}`);
    const session = await plane.session();
    const change = kind === 'widen' ? { kind, column: 'v', type: 'text' as const } : { kind, column: 'v' };
    const altering = session.alter(plane.table, [change]);
    await expect(altering).rejects.toThrow(DestinationError);
    await expect(altering).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'never' });
    await expect(altering).rejects.toThrow(named);
  });

  it('gives up soon where somebody holds the table, as something that may pass', async () => {
    await plane.client.query('CREATE TABLE t (v int, _load_id bigint)');
    await plane.client.query('BEGIN; SELECT FROM t');
    const session = await plane.session();
    try {
      await expect(session.alter(plane.table, [{ kind: 'add', column: 'c', type: 'text' }])).rejects.toMatchObject({
        type: 'destination',
        retry: 'later',
      });
    } finally {
      await plane.client.query('COMMIT');
    }
  }, 30_000);

  it('does not make a load of the old columns wrong that goes on beside it', async () => {
    const ID = column('id', 'integer');
    const session = await plane.session();
    await session.createTable(plane.table, [{ name: 'id', type: 'integer' }], { keys: [], rescued: false });
    await (await plane.session()).alter(plane.table, [{ kind: 'widen', column: 'id', type: 'bigint' }]);
    const loading = session.batch(order([ID]), async (batch) => [await put(batch, 'a', [ID], [[int(1)]])]);
    await expect(loading).rejects.toThrow('was altered while it was loaded (id)');
  });
});
