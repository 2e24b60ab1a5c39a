/** What a caller may ask for: each rule takes the wire's input and gives the part with all its defaults, or throws `ValueError` with its path. */
export { credentialsOf } from './credentials';
export { destinationSpec } from './destination';
export { formatSpec } from './format';
export { ingestionName } from './name';
export { changedFiles, onSchemaChange, qualitySpec } from './quality';
export { onlyKnown, refuse } from './refuse';
export { sameTimetable, scheduleSpec, timetableOf } from './schedule';
export { assertKeysKnown, assertTypesReadable, schemaSpec } from './schema';
export { sourceSpec } from './source';
export { loadWindow } from './window';
