import { Injectable } from '@nestjs/common';
import { RunActive, ValueError } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { IngestionReads } from '../ingestion-reads';
import { KeyedStarts } from './keyed-starts';
import type { RefreshInput, RetryInput, TriggerInput } from '../inputs';
import { RefreshEstimation } from '../refresh-estimation';
import { onlyKnown } from '../rules';
import { shown } from '../rules/refuse';
import { loadWindow } from '../rules/window';
import type { RunRow } from './run.entity';
import { hasEnded } from './run-moves';
import type { StartRequest } from './run-starter';
import { TableSharing } from '../table-sharing';
import type { RunParameters } from '../types';
import type { RefreshEstimate, Triggered } from '../views';

export type RefreshScope = Extract<RunParameters, { kind: 'refresh' }>['scope'];

const MAX_PATHS = 1_000;

/** What can be run by hand: all that is new, a part of it, the table anew, what failed. Each is one run, started the same way. */
@Injectable()
export class ManualRuns {
  constructor(
    private readonly dataSource: DataSource,
    private readonly starts: KeyedStarts,
    private readonly ingestions: IngestionReads,
    private readonly sharing: TableSharing,
    private readonly estimation: RefreshEstimation,
  ) {}

  trigger(ingestionId: string, body: TriggerInput = {}, idempotencyKey?: string): Promise<Triggered> {
    return this.starts.once({ operation: 'run', ingestionId, body, idempotencyKey }, async () => {
      const parameters = loadWindow(body);
      const part = (['from', 'until', 'path_prefix'] as const).find((name) => parameters[name] !== null);
      if (part !== undefined) await this.assertNotOverwritten(ingestionId, part, ALWAYS_ALL);
      return { trigger: 'manual', parameters };
    });
  }

  /** Of a dry run nothing stays, so it needs no key. */
  async refresh(
    ingestionId: string,
    scope: RefreshScope,
    body: RefreshInput = {},
    idempotencyKey?: string,
  ): Promise<Triggered | RefreshEstimate> {
    onlyKnown('', body, ['confirm', 'dry_run']);
    if (scope === 'new_only') await this.assertNotOverwritten(ingestionId, 'destination.write_mode', NONE_BUT_ALL);
    if (body.dry_run === true) return this.estimate(ingestionId, scope);
    if (body.confirm !== true) throw unconfirmed(scope);
    const request: StartRequest = {
      trigger: 'refresh',
      parameters: { kind: 'refresh', scope },
      assert: (tx, row) => this.sharing.assertAlone(tx, row),
    };
    const start = { operation: `refresh ${scope}`, ingestionId, body, idempotencyKey };
    return this.starts.once(start, () => Promise.resolve(request));
  }

  retry(ingestionId: string, body: RetryInput = {}, idempotencyKey?: string): Promise<Triggered> {
    return this.starts.once({ operation: 'retry files', ingestionId, body, idempotencyKey }, async () => {
      onlyKnown('', body, ['paths']);
      const paths = body.paths === undefined ? null : [...new Set(body.paths)];
      await this.ingestions.find(ingestionId);
      if (paths === null) await this.assertAnyFailed(ingestionId);
      else await this.assertFailed(ingestionId, paths);
      return { trigger: 'retry', parameters: { kind: 'retry', paths } };
    });
  }

  /** A run that has ended, once more. A refresh is checked anew: another ingestion may load into its table by now. */
  again(run: EndedRun, idempotencyKey?: string): Promise<Triggered> {
    const start = { operation: `retry run ${run.id}`, ingestionId: run.ingestion_id, body: {}, idempotencyKey };
    return this.starts.once(start, () => {
      if (!hasEnded(run.status)) return Promise.reject(new RunActive(run.id));
      return Promise.resolve({
        trigger: 'retry',
        parameters: run.parameters,
        retryOf: run.id,
        ...(run.parameters.kind === 'refresh' && { assert: (tx, row) => this.sharing.assertAlone(tx, row) }),
      });
    });
  }

  /** What an overwritten table holds is all files, whatever is asked. Nobody can change the write mode later. */
  private async assertNotOverwritten(ingestionId: string, path: string, sentence: string): Promise<void> {
    const { destination } = await this.ingestions.find(ingestionId);
    if (destination.write_mode === 'overwrite') throw new ValueError(sentence, path);
  }

  private async estimate(ingestionId: string, scope: RefreshScope): Promise<RefreshEstimate> {
    const row = await this.ingestions.find(ingestionId);
    await this.sharing.assertAlone(this.dataSource, row);
    return this.estimation.of(row, scope);
  }

  private async assertAnyFailed(ingestionId: string): Promise<void> {
    if ((await rowsOf(this.dataSource, `${FAILED} LIMIT 1`, [ingestionId])).length > 0) return;
    throw new ValueError(`No file of ingestion ${ingestionId} has failed: there is nothing to try again.`, 'paths');
  }

  private async assertFailed(ingestionId: string, paths: string[]): Promise<void> {
    if (paths.length === 0)
      throw new ValueError('paths [] is empty. Leave it out to try all that failed again.', 'paths');
    if (paths.length > MAX_PATHS)
      throw new ValueError(`paths holds ${paths.length} paths. At most ${MAX_PATHS}.`, 'paths');
    const found = await rowsOf<{ path: string }>(this.dataSource, `${FAILED} AND path = ANY ($2)`, [
      ingestionId,
      paths,
    ]);
    const failed = new Set(found.map(({ path }) => path));
    const other = paths.find((path) => !failed.has(path));
    if (other === undefined) return;
    throw new ValueError(
      `paths ${shown(other)} is no failed file of this ingestion. GET /api/v1/ingestions/${ingestionId}/files shows which files failed.`,
      'paths',
    );
  }
}

type EndedRun = Pick<RunRow, 'id' | 'ingestion_id' | 'status' | 'parameters'>;

const FAILED = `
SELECT path FROM sluice_control.processed_file WHERE ingestion_id = $1 AND status IN ('failed', 'quarantined')`;

const ALWAYS_ALL = 'write_mode overwrite is always all files; leave from, until and path_prefix out.';
const NONE_BUT_ALL =
  'write_mode overwrite is always all files, so there are none that are new only. Use refresh/full, or run it: each run builds the table anew.';

const DOES = {
  full: 'The table would be built anew from all files.',
  new_only: 'The table would be built anew from the files that were never loaded; its rows would go.',
} as const satisfies Record<RefreshScope, string>;

function unconfirmed(scope: RefreshScope): ValueError {
  return new ValueError(
    `confirm is not true. ${DOES[scope]} Send {"confirm": true} to do it, or {"dry_run": true} to see how much it is.`,
    'confirm',
  );
}
