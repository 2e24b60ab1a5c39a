import { resolve } from 'node:path';
import { sourceSpec } from './source';

const roots = [resolve('data')];
const source = (path: string) => ({ type: 'file' as const, path });

// A path that only counted from the root would pass here and fail in every run, which counts from the working folder.
it('counts a relative path from the working folder, as the runs do', () => {
  expect(sourceSpec(source('data/sample'), roots).path).toBe('data/sample');
  expect(() => sourceSpec(source('sample'), roots)).toThrow('is not below a folder of SLUICE_FILE_ROOTS');
});

it('refuses a path that climbs out of the folder it begins in', () => {
  expect(() => sourceSpec(source('data/../../etc'), roots)).toThrow('is not below a folder of SLUICE_FILE_ROOTS');
});
