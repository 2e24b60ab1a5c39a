import { LoadError, type LoadErrorType, type BadFile } from '@sluice/connectors';

/** What a file has that the schema does not know, or the other way round; source names. It stops a batch, so that the schema can change first. */
export class Drift extends LoadError {
  readonly type = 'schema_mismatch';
  readonly retry = 'never';
  readonly unknown: readonly string[];
  /** Columns with a value that does not fit. */
  readonly unfit: readonly string[];
  readonly missing: readonly string[];

  constructor(
    what: { unknown?: readonly string[]; unfit?: readonly string[]; missing?: readonly string[] },
    /** What is wrong with the file if the schema does not change; `null`: nothing. */
    readonly fault: BadFile | null,
  ) {
    super(fault?.message ?? 'The columns of the file differ from those of the table.');
    this.unknown = what.unknown ?? [];
    this.unfit = what.unfit ?? [];
    this.missing = what.missing ?? [];
  }
}

/** The control database was away, or full, for longer than a run waits for it. */
export class ControlDatabaseAway extends LoadError {
  readonly type = 'connectivity';
  readonly retry = 'later';

  constructor(cause: Error) {
    super(
      `The control database could not be written: ${cause.message.replace(/\.$/, '')}. ` +
        'Make it usable again; what was committed stays and counts once, and the next run loads the rest.',
      { cause },
    );
  }
}

/** What ends a run by the person's own rule, with nothing of it committed. */
export abstract class RunRefused extends LoadError {
  readonly retry: LoadError['retry'] = 'never';
}

/** `on_schema_change` is `fail` and the columns are not as agreed. */
export class SchemaChanged extends RunRefused {
  readonly type = 'schema_mismatch';

  constructor(
    readonly file: string,
    readonly differences: readonly string[],
  ) {
    super(
      `${file} differs from the columns agreed on (${differences.join(', ')}) and on_schema_change is "fail": nothing of this run was loaded. ` +
        'Correct or remove the file, or set on_schema_change to append_new_columns, sync_all_columns, rescue or ignore.',
    );
  }
}

/** One bad file ends the whole run. */
export class RunAborted extends RunRefused {
  readonly type: LoadErrorType;
  /** A file that was still written to may be whole at the next attempt. */
  override readonly retry: LoadError['retry'];

  constructor(
    readonly file: string,
    readonly reason: BadFile,
    because: string,
  ) {
    super(`Nothing of this run was loaded, because ${because}: ${reason.message}`, { cause: reason });
    this.type = reason.type;
    this.retry = reason.retry;
  }
}

/** Files changed after they were loaded and `changed_files` is `fail`. */
export class FilesChanged extends RunRefused {
  readonly type = 'changed';

  constructor(paths: readonly string[], more: boolean) {
    super(
      `Files changed after they were loaded (${paths.join(', ')}${more ? ', ...' : ''}) and changed_files is "fail": nothing of this run was loaded. ` +
        'Give new content a new name, or set changed_files to reload or skip.',
    );
  }
}

/** The rows of a run are not as many as the quality rules ask for. */
export class QualityBreach extends RunRefused {
  readonly type = 'limit';
}

/** A table would become empty because there is nothing to build it from. */
export class NothingToBuild extends RunRefused {
  readonly type = 'not_found';

  constructor(what: string) {
    super(
      `${what}, and the table would become empty. It is left as it is. Put files there, or correct source.path and source.file_pattern.`,
    );
  }
}
