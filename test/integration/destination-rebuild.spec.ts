import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { type Batch, DestinationError, type LoadedFile, PostgresDestination, RowRefused } from '@sluice/connectors';
import { Secret } from '@sluice/kernel';
import { column, type DestinationPlane, destinationPlane, entry, int, order, put, text } from '../support/destination';

const ID = column('id', 'integer');
const NAME = column('name', 'text');
const COLUMNS = [ID, NAME];
const REPLACE = { ...order(COLUMNS), history: 'replace' } as const;

let plane: DestinationPlane;
beforeAll(async () => {
  plane = await destinationPlane();
});
afterEach(() => plane.clean());
afterAll(() => plane.close());

const file = (path: string, ...rows: [number, string][]) => {
  return async (batch: Batch): Promise<LoadedFile[]> => [
    await put(
      batch,
      path,
      COLUMNS,
      rows.map(([id, name]) => [int(id), text(name)]),
    ),
  ];
};

/** What the catalog says of a table, its indexes, rights and views, but for numbers and the order of rights. */
const CATALOG = `
SELECT 'table' AS kind, relname AS name, concat_ws(' | ', pg_get_userbyid(relowner), relpersistence, reloptions, relreplident,
  obj_description(c.oid, 'pg_class'), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(relacl) a)) AS is
FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v', 'm')
UNION ALL SELECT 'toast', c.relname, t.reloptions::text FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column', attrelid::regclass || '.' || attname, concat_ws(' | ', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage,
  attcompression, attstattarget, attoptions, attcollation::regcollation, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(attacl) a), col_description(attrelid, attnum),
  (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum), CASE WHEN relkind = 'r' THEN pg_get_serial_sequence(attrelid::regclass::text, attname) END)
FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', i.relname, concat_ws(' | ', pg_get_indexdef(i.oid), indisprimary, indisclustered, indisreplident, indisvalid, i.reloptions, obj_description(i.oid, 'pg_class'))
FROM pg_index x JOIN pg_class i ON i.oid = indexrelid WHERE i.relnamespace = 'public'::regnamespace
UNION ALL SELECT 'constraint', conname, concat_ws(' | ', conrelid::regclass, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint'))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
UNION ALL SELECT 'statistics', stxname, concat_ws(' | ', pg_get_statisticsobjdef(oid), obj_description(oid, 'pg_statistic_ext')) FROM pg_statistic_ext
UNION ALL SELECT 'view', relname, concat_ws(' | ', reloptions, pg_get_viewdef(oid)) FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
UNION ALL SELECT 'type', typname, typtype::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
ORDER BY 1, 2, 3`;

describe('a rebuilt table', () => {
  it('holds what the files bring and nothing else, and only they are in the ledger', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: [], rescued: false });
    await session.batch(order(COLUMNS), file('old', [1, 'old'], [2, 'old']));
    await session.recordFailures([{ entry: entry('new'), message: 'once' }], 's');
    await session.rebuild(REPLACE, file('new', [3, 'new']));
    expect(await plane.rows('SELECT id, name FROM t')).toEqual([{ id: 3, name: 'new' }]);
    expect(await plane.values('SELECT path FROM sluice.ledger')).toEqual(['new']);
    expect(await plane.values('SELECT path FROM sluice.failed_file')).toEqual([]);
    expect((await session.table(plane.table))?.ours).toBe(true);
  });

  it('keeps the history when it is told to', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: [], rescued: false });
    await session.batch(order(COLUMNS), file('old', [1, 'old']));
    await session.rebuild({ ...REPLACE, history: 'keep' }, file('new', [3, 'new']));
    expect(await plane.values('SELECT id FROM t')).toEqual([3]);
    expect(await plane.values('SELECT path FROM sluice.ledger ORDER BY path')).toEqual(['new', 'old']);
  });

  it('loses the rejected rows of the old history, not those of the new one or of others', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: [], rescued: false });
    const rejecting = (path: string) => async (batch: Batch) => {
      const loaded = await batch.file(async (write) => {
        await write.reject(path, rejection());
        return { loadId: write.loadId, entry: entry(path), version: 'v', rows: 0, rejected: 1 };
      });
      return [loaded];
    };
    await session.batch(order(COLUMNS), rejecting('old'));
    await (await plane.session()).batch(order(COLUMNS), rejecting('another ingestion'));
    await session.rebuild(REPLACE, rejecting('new'));
    expect(await plane.values('SELECT path FROM sluice.rejected_row ORDER BY path')).toEqual([
      'another ingestion',
      'new',
    ]);
  });

  it('is made when there was none', async () => {
    const session = await plane.session();
    await session.rebuild({ ...REPLACE, keys: ['id'], rescued: false }, file('a', [1, 'x'], [1, 'y']));
    expect(await plane.rows('SELECT id, name FROM t')).toEqual([{ id: 1, name: 'y' }]);
    expect(await session.table(plane.table)).toMatchObject({ ours: true, uniqueKeys: [['id']] });
  });

  it('keeps the last row of each key, and its unique index', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    await session.rebuild({ ...REPLACE, keys: ['id'] }, async (batch) => [
      ...(await file('a', [1, 'x'], [2, 'x'])(batch)),
      ...(await file('b', [1, 'y'])(batch)),
    ]);
    expect(await plane.rows('SELECT id, name FROM t ORDER BY id')).toEqual([
      { id: 1, name: 'y' },
      { id: 2, name: 'x' },
    ]);
    await session.batch({ ...order(COLUMNS), keys: ['id'] }, file('c', [2, 'z']));
    expect(await plane.values('SELECT name FROM t ORDER BY id')).toEqual(['y', 'z']);
  });

  it('is like the old one in all that the catalog says of it', async () => {
    const role = `r_${randomUUID().replaceAll('-', '')}`;
    await plane.client
      .query(`CREATE ROLE ${role}; CREATE ROLE ${role}_owner; GRANT CREATE, USAGE ON SCHEMA public TO ${role}_owner;
      CREATE EXTENSION btree_gist;
      ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${role};
      CREATE SEQUENCE free;
      CREATE TABLE t (id int NOT NULL, name text COLLATE "C" DEFAULT 'none' CHECK (name <> ''), serial serial, ident int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 5),
        twice int GENERATED ALWAYS AS (id * 2) STORED, gone int, n int DEFAULT nextval('free'), "Odd ""name" int, _load_id bigint,
        CONSTRAINT "the key" PRIMARY KEY (id) INCLUDE (name) WITH (fillfactor = 80), CONSTRAINT u UNIQUE (name, id) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT e EXCLUDE USING gist (id WITH =)) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
      ALTER TABLE t DROP COLUMN gone;
      ALTER TABLE t ALTER name SET STORAGE EXTERNAL, ALTER id SET STATISTICS 55, ALTER id SET (n_distinct = -0.5), ALTER name SET COMPRESSION pglz;
      CREATE UNIQUE INDEX "an USING index" ON t (lower(name), id DESC NULLS LAST) WITH (fillfactor = 60) WHERE id > -100;
      CREATE INDEX ON t USING brin (_load_id);
      CREATE UNIQUE INDEX ident_key ON t (id);
      ALTER TABLE t CLUSTER ON ident_key;
      ALTER TABLE t REPLICA IDENTITY USING INDEX ident_key;
      CREATE STATISTICS stat (dependencies) ON id, name FROM t;
      COMMENT ON TABLE t IS 'it''s a table'; COMMENT ON COLUMN t.name IS 'a column'; COMMENT ON INDEX "an USING index" IS 'an index';
      COMMENT ON CONSTRAINT "the key" ON t IS 'a key'; COMMENT ON CONSTRAINT t_name_check ON t IS 'a check'; COMMENT ON STATISTICS stat IS 'statistics';
      ALTER TABLE t OWNER TO ${role}_owner;
      REVOKE ALL ON t FROM ${role}; REVOKE DELETE ON t FROM ${role}_owner; GRANT UPDATE (name), SELECT (id) ON t TO ${role} WITH GRANT OPTION; GRANT INSERT, SELECT ON t TO PUBLIC;
      CREATE VIEW v AS SELECT id, name FROM t WHERE id > 0 WITH CASCADED CHECK OPTION;
      CREATE VIEW safe WITH (security_barrier = true) AS SELECT a.*, to_jsonb(b.*) AS whole FROM t a LEFT JOIN v b USING (id, name);
      CREATE VIEW above AS SELECT id FROM safe;
      CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
      COMMENT ON VIEW v IS 'a view'; GRANT SELECT ON v TO ${role}; ALTER VIEW v ALTER name SET DEFAULT 'of the view';
      INSERT INTO t (id, name) VALUES (7, 'old'), (8, 'old')`);
    try {
      const before = await plane.rows(CATALOG);
      const oid = (await plane.values("SELECT 't'::regclass::oid"))[0];
      const session = await plane.session();
      await session.rebuild(REPLACE, file('a', [1, 'x'], [2, 'y']));
      expect(await plane.rows(CATALOG)).toEqual(before);
      expect(await plane.values("SELECT 't'::regclass::oid")).not.toEqual([oid]);
      expect(await plane.rows('SELECT id, serial, ident, twice, n FROM t ORDER BY id')).toEqual([
        { id: 1, serial: 3, ident: 11, twice: 2, n: 3 },
        { id: 2, serial: 4, ident: 16, twice: 4, n: 4 },
      ]);
      expect(await plane.values('SELECT id FROM above ORDER BY id')).toEqual([1, 2]);
      expect((await session.table(plane.table))?.ours).toBe(false);
      await session.rebuild({ ...REPLACE }, file('a', [5, 'z']));
      expect(await plane.rows(CATALOG)).toEqual(before);
    } finally {
      await plane.client.query(
        `DROP OWNED BY ${role}, ${role}_owner CASCADE; DROP EXTENSION btree_gist CASCADE; DROP ROLE ${role}, ${role}_owner`,
      );
    }
  });

  it('stays unlogged, and keeps a REPLICA IDENTITY FULL', async () => {
    await plane.client.query(
      'CREATE UNLOGGED TABLE t (id int, name text, _load_id bigint); ALTER TABLE t REPLICA IDENTITY FULL',
    );
    const before = await plane.rows(CATALOG);
    await (await plane.session()).rebuild(REPLACE, file('a', [1, 'x']));
    expect(await plane.rows(CATALOG)).toEqual(before);
  });

  it('tells of the files taken together what an index refuses, and stays as it was', async () => {
    await plane.client.query(
      "CREATE TABLE t (id int CONSTRAINT one UNIQUE, name text, _load_id bigint); INSERT INTO t VALUES (9, 'old')",
    );
    const rebuilding = (await plane.session()).rebuild(REPLACE, file('a', [1, 'x'], [1, 'y']));
    await expect(rebuilding).rejects.toThrow(RowRefused);
    await expect(rebuilding).rejects.toThrow('could not create unique index "one": Key (id)=(1) is duplicated');
    expect(await plane.values('SELECT id FROM t')).toEqual([9]);
  });
});

describe('a table that cannot be rebuilt', () => {
  it.each([
    [
      'trigger "on it"',
      'CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER "on it" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()',
    ],
    [
      'foreign key out_fk of t',
      'CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (9); ALTER TABLE t ADD CONSTRAINT out_fk FOREIGN KEY (id) REFERENCES other',
    ],
    [
      'foreign key in_fk of child',
      'ALTER TABLE t ADD UNIQUE (id); CREATE TABLE child (id int CONSTRAINT in_fk REFERENCES t (id))',
    ],
    ['row level security', 'ALTER TABLE t ENABLE ROW LEVEL SECURITY'],
    ['policy mine', 'CREATE POLICY mine ON t USING (true)'],
    ['inheritance or partition child', 'CREATE TABLE child () INHERITS (t)'],
    ['inheritance or partition parent', 'CREATE TABLE parent (id int); ALTER TABLE t INHERIT parent'],
    ['publication one', 'CREATE PUBLICATION one FOR TABLE t'],
    ['publication whole', 'CREATE PUBLICATION whole FOR ALL TABLES'],
    ['publication schemas', 'CREATE PUBLICATION schemas FOR TABLES IN SCHEMA public'],
    ['materialized view m', 'CREATE MATERIALIZED VIEW m AS SELECT * FROM t'],
    ['rule r', 'CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING'],
    [
      'rule r on view v',
      'CREATE TABLE o (id int); CREATE VIEW v AS SELECT id FROM o; CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO t (id) VALUES (NEW.id)',
    ],
    ['function atomic()', 'CREATE FUNCTION atomic() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t; END'],
    ['function takes(t)', "CREATE FUNCTION takes(t) RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    ['column kept of table uses', 'CREATE TABLE uses (kept t)'],
    ['column x of view v', 'CREATE VIEW v AS SELECT t AS x FROM t'],
  ])('says so before it loads anything: %s', async (what, statements) => {
    await plane.client.query(
      `CREATE TABLE t (id int, name text, _load_id bigint); INSERT INTO t VALUES (9, 'old'); ${statements}`,
    );
    let worked = false;
    const rebuilding = (await plane.session()).rebuild(REPLACE, () => {
      worked = true;
      return Promise.resolve([]);
    });
    await expect(rebuilding).rejects.toThrow(DestinationError);
    await expect(rebuilding).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'never' });
    await expect(rebuilding).rejects.toThrow(what);
    expect(worked).toBe(false);
    expect(await plane.values('SELECT id FROM t')).toEqual([9]);
    await plane.client.query('DROP PUBLICATION IF EXISTS one, whole, schemas');
  });

  it.each([
    ['its owner', 'ALTER TABLE t OWNER TO postgres_other'],
    ['view v', 'CREATE VIEW v AS SELECT id FROM t; ALTER VIEW v OWNER TO postgres_other'],
  ])('or to others it belongs: %s', async (what, statement) => {
    const other = `r_${randomUUID().replaceAll('-', '')}`;
    const me = `m_${randomUUID().replaceAll('-', '')}`;
    const sql = statement.replace('postgres_other', other);
    await plane.client
      .query(`CREATE ROLE ${other}; CREATE ROLE ${me} LOGIN PASSWORD 'me'; GRANT CREATE, USAGE ON SCHEMA public TO ${me}, ${other};
      CREATE TABLE t (id int, name text, _load_id bigint); ALTER TABLE t OWNER TO ${me}; ${sql}`);
    await plane.client.query(
      `DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO ${me}', current_database()); END $$`,
    );
    const url = new URL(plane.url);
    url.username = me;
    url.password = 'me';
    const session = await new PostgresDestination({ url: new Secret(url.href), leaseSeconds: 60 }).acquire(
      randomUUID(),
      randomUUID(),
    );
    try {
      const rebuilding = session?.rebuild(REPLACE, () => Promise.resolve([]));
      await expect(rebuilding).rejects.toMatchObject({ type: 'schema_mismatch' });
      await expect(rebuilding).rejects.toThrow(what);
    } finally {
      await session?.close();
      await plane.client.query(`DROP OWNED BY ${me}, ${other} CASCADE; DROP ROLE ${me}, ${other}`);
    }
  });

  it('is not put in its place when a view that reads a column with another type was made meanwhile', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: [], rescued: false });
    const columns = [ID, column('name', 'date')];
    const retypings = [{ column: 'name', type: 'date' }] as const;
    const rebuilding = session.rebuild({ ...REPLACE, columns, retypings }, async () => {
      await plane.rows(`CREATE VIEW v AS SELECT count(*) FROM t WHERE name = '1'`);
      return [];
    });
    await expect(rebuilding).rejects.toThrow('view v, for it reads the column name, whose type changes');
    expect(
      await plane.values(
        "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'name'",
      ),
    ).toEqual(['text']);
  });

  it('when a view of the kind that cannot be carried comes while it loads', async () => {
    await plane.client.query("CREATE TABLE t (id int, name text, _load_id bigint); INSERT INTO t VALUES (9, 'old')");
    const rebuilding = (await plane.session()).rebuild(REPLACE, async (batch) => {
      await plane.client.query('CREATE MATERIALIZED VIEW m AS SELECT * FROM t');
      return file('a', [1, 'x'])(batch);
    });
    await expect(rebuilding).rejects.toThrow('materialized view m');
    expect(await plane.values('SELECT id FROM t')).toEqual([9]);
  });
});

describe('while a table is rebuilt', () => {
  it('readers of it and of its views see the old rows or the new, whole, and are not kept waiting by the load', async () => {
    await plane.client
      .query(`CREATE TABLE t (id int, name text, _load_id bigint); INSERT INTO t SELECT n, 'old', 0 FROM generate_series(1, 1000) n;
      CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w AS SELECT name FROM v`);
    const seen = new Set<string>();
    const faults: unknown[] = [];
    let ended = false;
    const readers = ['t', 'v', 'w', 't', 'w'].map(async (relation) => {
      const client = new Client({ connectionString: plane.url });
      await client.connect();
      while (!ended && faults.length === 0)
        await client
          .query<{ seen: string }>(`SELECT name || ' ' || count(*) AS seen FROM public.${relation} GROUP BY name`)
          .then(({ rows }) => seen.add(rows.map((row) => row.seen).join(' and ')))
          .catch((error: unknown) => faults.push(error));
      await client.end();
    });
    const session = await plane.session();
    try {
      for (let round = 1; round <= 8; round++) {
        const rows = Array.from({ length: 1000 }, (_, n): [number, string] => [n, `round${round}`]);
        await session.rebuild(REPLACE, async (batch) => {
          const loaded = await file('a', ...rows)(batch);
          // The old rows can be read until the very end.
          expect(await plane.values('SELECT count(*)::int FROM w')).toEqual([1000]);
          return loaded;
        });
      }
    } finally {
      ended = true;
      await Promise.all(readers);
    }
    expect(faults).toEqual([]);
    const whole = ['old 1000', ...Array.from({ length: 8 }, (_, n) => `round${n + 1} 1000`)];
    expect([...seen].filter((what) => !whole.includes(what))).toEqual([]);
    expect(seen.size).toBeGreaterThan(3);
  });

  it('rows of others wait for it instead of being lost', async () => {
    await plane.client.query('CREATE TABLE t (id int, name text, _load_id bigint)');
    const session = await plane.session();
    let other: Promise<unknown> | undefined;
    await session.rebuild(REPLACE, async (batch) => {
      const writer = new Client({ connectionString: plane.url });
      await writer.connect();
      other = writer.query("INSERT INTO public.t VALUES (5, 'theirs')").finally(() => writer.end());
      await plane.waiting(1);
      return file('a', [1, 'x'])(batch);
    });
    await other;
    expect(await plane.values('SELECT id FROM t ORDER BY id')).toEqual([1, 5]);
  });

  it('somebody who reads without a pause makes it give up, to be tried again, and the old table stays', async () => {
    await plane.client.query("CREATE TABLE t (id int, name text, _load_id bigint); INSERT INTO t VALUES (9, 'old')");
    await plane.client.query('BEGIN; SELECT FROM t');
    const rebuilding = (await plane.session()).rebuild(REPLACE, file('a', [1, 'x']));
    try {
      await expect(rebuilding).rejects.toMatchObject({ type: 'destination', retry: 'later' });
    } finally {
      await plane.client.query('COMMIT');
    }
    expect(await plane.values('SELECT id FROM t')).toEqual([9]);
    expect(await plane.values('SELECT path FROM sluice.ledger')).toEqual([]);
  }, 60_000);

  it.each(['load', 'lock'])(
    'an end of its connection during the %s leaves the old table whole and nothing else',
    async (when) => {
      await plane.client.query(
        "CREATE TABLE t (id int UNIQUE, name text, _load_id bigint); CREATE VIEW v AS SELECT * FROM t; INSERT INTO t VALUES (9, 'old')",
      );
      const session = await plane.session();
      const before = await plane.rows(CATALOG);
      if (when === 'lock') await plane.client.query('BEGIN; SELECT FROM t');
      const rebuilding = session.rebuild(REPLACE, async (batch) => {
        const loaded = await file('a', [1, 'x'])(batch);
        if (when === 'load') await endWriters();
        return loaded;
      });
      rebuilding.catch(() => undefined);
      if (when === 'lock') {
        await plane.waiting(1);
        await endWriters();
        await plane.client.query('COMMIT');
      }
      await expect(rebuilding).rejects.toMatchObject({ type: 'connectivity', retry: 'later' });
      expect(await plane.rows(CATALOG)).toEqual(before);
      expect(await plane.values('SELECT id FROM v')).toEqual([9]);
      expect(await plane.values('SELECT path FROM sluice.ledger')).toEqual([]);
    },
  );
});

async function endWriters(): Promise<void> {
  await plane.client.query(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice run %'",
  );
}

async function* rejection() {
  yield await Promise.resolve({
    record: 1,
    line: 1,
    column: null,
    type: 'malformed',
    reason: 'bad',
    raw: 'x',
  } as const);
}
