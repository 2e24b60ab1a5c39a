import { ValueError } from '@sluice/kernel';
import { credentialsOf, destinationSpec, formatSpec, ingestionName, onSchemaChange, qualitySpec, sourceSpec } from '.';

const ROOTS = ['/data', '/srv/files'];

function pathOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ValueError) return error.path;
    throw error;
  }
  return 'accepted';
}

describe('source', () => {
  const source = (fields: object) => sourceSpec({ type: 'file', path: '/data/in', ...fields }, ROOTS);

  it('takes every file of the folder unless told otherwise', () => {
    expect(source({})).toEqual({ type: 'file', path: '/data/in', file_pattern: '*', options: {} });
  });

  it.each(['/data', '/data/', '/data/in/', '/srv/files/a', '/data/in..old', '/data/x/../y'])(
    'reads below a root: %s',
    (path) => {
      expect(source({ path }).path).toBe(path);
    },
  );

  it.each(['/', '/etc', '/database', '/data/../etc', '..', '../elsewhere', 'in/../../etc', '', ' ', '/data/a\0b'])(
    'refuses to read elsewhere: %j',
    (path) => {
      expect(pathOf(() => source({ path }))).toBe('source.path');
    },
  );

  it('says which folders may be read', () => {
    expect(() => source({ path: '/etc' })).toThrow(
      new ValueError(
        'source.path "/etc" is not below a folder of SLUICE_FILE_ROOTS. Local files may be read below: /data, /srv/files.',
      ),
    );
  });

  it('says what is available when the type is not', () => {
    expect(() => source({ type: 's3' })).toThrow(
      new ValueError('source.type "s3" is not available. Available now: file.'),
    );
  });

  it.each(['', '/etc/*', '../*.csv', 'a/../../b', 'x'.repeat(1025), 'a\0'])(
    'refuses the pattern %j',
    (file_pattern) => {
      expect(pathOf(() => source({ file_pattern }))).toBe('source.file_pattern');
    },
  );

  it('refuses a field it does not know', () => {
    expect(pathOf(() => source({ bucket: 'x' }))).toBe('source.bucket');
  });
});

describe('credentials', () => {
  it('are none when nothing is in them', () => {
    expect([credentialsOf(undefined), credentialsOf(null), credentialsOf({})]).toEqual([null, null, null]);
  });

  it('name the key that is wrong and show no value', () => {
    expect(() => credentialsOf({ user: 'me', token: { hush: 1 } as unknown as string })).toThrow(
      new ValueError('source.credentials.token must be a text that is not empty.'),
    );
  });
});

describe('format', () => {
  it('is found out by itself unless told otherwise', () => {
    expect(formatSpec()).toEqual({ type: 'auto', options: {} });
  });

  it('keeps only the options that are given', () => {
    const options = { delimiter: ';', quote: undefined, header: true };
    expect(formatSpec({ type: 'csv', options })).toEqual({ type: 'csv', options: { delimiter: ';', header: true } });
  });

  it.each<[Parameters<typeof formatSpec>[0], string]>([
    [{ type: 'avro' }, 'format.type'],
    [{ type: 'csv', options: { delimiter: '' } }, 'format.options.delimiter'],
    [{ type: 'csv', options: { delimiter: '||' } }, 'format.options.delimiter'],
    [{ type: 'csv', options: { quote: '\n' } }, 'format.options.quote'],
    [{ type: 'csv', options: { delimiter: '"', quote: '"' } }, 'format.options.quote'],
    [{ type: 'csv', options: { header: 'yes' as unknown as boolean } }, 'format.options.header'],
    [{ type: 'csv', options: { skip: 1 } as object }, 'format.options.skip'],
    [{ type: 'parquet', options: { delimiter: ';' } }, 'format.options.delimiter'],
  ])('%j is refused at %s', (input, path) => {
    expect(pathOf(() => formatSpec(input))).toBe(path);
  });
});

describe('destination', () => {
  it('appends to a table in public unless told otherwise', () => {
    expect(destinationSpec({ table: 'trips' })).toEqual({
      schema: 'public',
      table: 'trips',
      write_mode: 'append',
      merge_keys: [],
    });
  });

  it('counts a name in bytes, as PostgreSQL does', () => {
    expect(destinationSpec({ table: 'ä'.repeat(31) }).table).toHaveLength(31);
    expect(() => destinationSpec({ table: 'ä'.repeat(32) })).toThrow('has 64 bytes. PostgreSQL takes at most 63.');
  });

  it.each<[object, string]>([
    [{ table: '' }, 'destination.table'],
    [{ table: 'a\0b' }, 'destination.table'],
    [{ schema: '' }, 'destination.schema'],
    [{ schema: 'sluice' }, 'destination.schema'],
    [{ schema: 'sluice_control' }, 'destination.schema'],
    [{ schema: 'pg_catalog' }, 'destination.schema'],
    [{ schema: 'information_schema' }, 'destination.schema'],
    [{ write_mode: 'overwrite' }, 'destination.write_mode'],
    [{ merge_keys: ['id'] }, 'destination.merge_keys'],
    [{ database: 'x' }, 'destination.database'],
  ])('%j is refused at %s', (fields, path) => {
    expect(pathOf(() => destinationSpec({ table: 'trips', ...fields }))).toBe(path);
  });
});

describe('quality and schema change', () => {
  it('fail a file with a bad row and add new columns unless told otherwise', () => {
    expect(qualitySpec()).toEqual({
      on_error: 'fail_file',
      max_rejected_rows: 0,
      min_rows: null,
      max_drop_percent: null,
      max_age_seconds: null,
    });
    expect(onSchemaChange(undefined)).toBe('append_new_columns');
  });

  it('can be sent back as they were read', () => {
    expect(qualitySpec(qualitySpec())).toEqual(qualitySpec());
  });

  it.each<[object, string]>([
    [{ on_error: 'skip_rows' }, 'quality.on_error'],
    [{ max_rejected_rows: 5 }, 'quality.max_rejected_rows'],
    [{ min_rows: 1 }, 'quality.min_rows'],
    [{ speed: 1 }, 'quality.speed'],
  ])('a rule nobody would hold yet is refused: %j at %s', (fields, path) => {
    expect(pathOf(() => qualitySpec(fields))).toBe(path);
  });

  it('refuses what a later version may do', () => {
    expect(pathOf(() => onSchemaChange('rescue'))).toBe('on_schema_change');
  });
});

describe('name', () => {
  it.each(['', '   ', ' trips', 'trips ', 'tr\nips', 'x'.repeat(201)])('refuses %j', (name) => {
    expect(pathOf(() => ingestionName(name))).toBe('name');
  });

  it('is kept as it is written', () => {
    expect(ingestionName('Trips / 100% – Zürich')).toBe('Trips / 100% – Zürich');
  });
});
