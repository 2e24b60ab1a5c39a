import { resolve } from 'node:path';
import { sourceSpec } from './source';

const roots = [resolve('data')];
const source = (path: string) => ({ type: 'file' as const, path });

// A path that only counted from the root would pass here and fail in every run, which counts from the working folder.
it('counts a relative path from the working folder, as the runs do', () => {
  expect(sourceSpec(source('data/sample'), roots).path).toBe('data/sample');
  expect(() => sourceSpec(source('sample'), roots)).toThrow('is not below a folder of SLUICE_FILE_ROOTS');
});

it('takes what may prove a file unchanged, and no other option', () => {
  const options = (given: object) => sourceSpec({ ...source('data'), options: given }, roots).options;
  expect(options({})).toEqual({});
  expect(options({ verify: 'full' })).toEqual({ verify: 'full' });
  expect(() => options({ verify: 'etag' })).toThrow(
    'source.options.verify "etag" is not available. Available now: quick, full.',
  );
  expect(() => options({ recursive: true })).toThrow(
    'source.options.recursive is not a known field. Known here: verify.',
  );
});

it('refuses a path that climbs out of the folder it begins in', () => {
  expect(() => sourceSpec(source('data/../../etc'), roots)).toThrow('is not below a folder of SLUICE_FILE_ROOTS');
});
