import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Conflict, DomainError } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { CredentialVault } from './credential-vault';
import { messageOf } from './faults';
import { sortedJson } from './stored-json';

/** How long the answer of a call can be had again. */
const KEPT_HOURS = 24;
/** Longer than any call takes; after it a call whose process died may be made again. */
const HELD_SECONDS = 60;

/** A call that its caller may repeat. `operation`: what the key is unique in, with the id of what it is about. No `key`: not repeatable. */
export interface KeyedCall {
  operation: string;
  key: string | undefined;
  /** Told apart by its meaning: the order of its fields does not count. */
  body: unknown;
}

/** The right to make what a call asks for, under an id that is on record before anything is made. */
export interface Hold {
  resourceId: string;
  /** For the transaction that makes it. Errors: `Conflict`, when this call took so long that another may make it by now. */
  assert(tx: SqlRunner): Promise<void>;
}

export interface Repeatable<T> {
  make(hold: Hold): Promise<T>;
  /** What an earlier call has made under this id, brought to its end if need be; `null`: nothing, and nothing will come of it. */
  made(resourceId: string): Promise<T | null>;
}

const TAKE = `
INSERT INTO sluice_control.idempotency_key AS it (operation, key, holder, digest, held_until, resource_id, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $6), $5, now() + make_interval(hours => $7))
ON CONFLICT (operation, key) DO UPDATE SET digest = excluded.digest, holder = excluded.holder, held_until = excluded.held_until,
  resource_id = excluded.resource_id, created_at = now(), expires_at = excluded.expires_at
WHERE it.expires_at <= now() RETURNING key`;

const FIND = `
SELECT digest, holder, held_until > now() AS held, resource_id FROM sluice_control.idempotency_key WHERE operation = $1 AND key = $2`;

const TAKE_OVER = `
UPDATE sluice_control.idempotency_key SET holder = $3, held_until = now() + make_interval(secs => $5)
WHERE operation = $1 AND key = $2 AND holder = $4 AND held_until <= now() RETURNING key`;

interface Found {
  digest: string;
  holder: string | null;
  held: boolean | null;
  resource_id: string;
}
type Keyed = KeyedCall & { key: string };
/** Who works under a key now: operation, key, holder. */
type Own = readonly [operation: string, key: string, holder: string];

/**
 * What makes a call repeatable (draft-ietf-httpapi-idempotency-key-header): of all calls with one key one makes the thing, the others
 * answer it. A call that failed gives its key back; one whose process died is looked into by the next.
 */
@Injectable()
export class IdempotencyKeys {
  private readonly logger = new Logger(IdempotencyKeys.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly vault: CredentialVault,
  ) {}

  /** Errors: `Conflict` (another body, still under way, or what was made is gone), and those of `work`. */
  async once<T>(call: KeyedCall, work: Repeatable<T>): Promise<T> {
    if (!hasKey(call)) return work.make({ resourceId: randomUUID(), assert: () => Promise.resolve() });
    const [holder, resourceId] = [randomUUID(), randomUUID()];
    const digest = this.vault.digest(sortedJson(call.body));
    const taken = [call.operation, call.key, holder, digest, resourceId, HELD_SECONDS, KEPT_HOURS];
    if ((await rowsOf(this.dataSource, TAKE, taken)).length === 0) return this.again(call, digest, work);
    return this.ending([call.operation, call.key, holder], (own) => work.make(this.hold(own, resourceId)));
  }

  private async again<T>(call: Keyed, digest: string, work: Repeatable<T>): Promise<T> {
    const [found] = await rowsOf<Found>(this.dataSource, FIND, [call.operation, call.key]);
    if (!found || found.held === true) throw underWay(call.key);
    if (found.digest !== digest) throw otherBody(call.key);
    if (found.holder !== null) return this.takeOver(call, found.holder, found.resource_id, work);
    const made = await work.made(found.resource_id);
    if (made === null) throw gone(call.key);
    return made;
  }

  /** The call before has not said how it ended. */
  private async takeOver<T>(call: Keyed, before: string, resourceId: string, work: Repeatable<T>): Promise<T> {
    const own: Own = [call.operation, call.key, randomUUID()];
    if ((await rowsOf(this.dataSource, TAKE_OVER, [...own, before, HELD_SECONDS])).length === 0)
      throw underWay(call.key);
    const made = await work.made(resourceId).catch(async (error: unknown) => {
      await this.end(UNCLEAR, own);
      throw error;
    });
    return this.ending(own, async () => made ?? work.make(this.hold(own, await this.newId(own))));
  }

  /** What the earlier call left half may still be cleared away under the old id. */
  private async newId(own: Own): Promise<string> {
    const id = randomUUID();
    await this.dataSource.query(`UPDATE sluice_control.idempotency_key SET resource_id = $4 WHERE ${OWN}`, [
      ...own,
      id,
    ]);
    return id;
  }

  private hold(own: Own, resourceId: string): Hold {
    const sql = `SELECT 1 FROM sluice_control.idempotency_key WHERE ${OWN} FOR SHARE`;
    return {
      resourceId,
      assert: async (tx) => {
        if ((await rowsOf(tx, sql, own)).length === 0) throw underWay(own[1]);
      },
    };
  }

  private async ending<T>(own: Own, work: (own: Own) => Promise<T>): Promise<T> {
    try {
      const made = await work(own);
      await this.end(ANSWERED, own);
      return made;
    } catch (error) {
      await this.end(isPlain(error) ? FAILED : UNCLEAR, own);
      throw error;
    }
  }

  /** Never throws: a key that cannot be given back is looked into when its time is over. */
  private async end(sql: string, own: Own): Promise<void> {
    await this.dataSource.query(sql, [...own]).catch((error: unknown) => {
      this.logger.warn(`An Idempotency-Key is left to be looked into: ${messageOf(error)}`);
    });
  }
}

const OWN = 'operation = $1 AND key = $2 AND holder = $3';
const ANSWERED = `UPDATE sluice_control.idempotency_key SET holder = NULL, held_until = NULL WHERE ${OWN}`;
const FAILED = `DELETE FROM sluice_control.idempotency_key WHERE ${OWN}`;
/** Free at once, also for a clock that is set back a little. */
const UNCLEAR = `UPDATE sluice_control.idempotency_key SET held_until = '-infinity' WHERE ${OWN}`;

/** The use case itself has said no, and has left nothing. Of any other fault (the database went away) nobody knows. */
function isPlain(error: unknown): boolean {
  return error instanceof DomainError;
}

function hasKey(call: KeyedCall): call is Keyed {
  return call.key !== undefined;
}

function underWay(key: string): Conflict {
  return new Conflict(`The call with Idempotency-Key "${key}" is still under way. Try again in a moment.`);
}

function otherBody(key: string): Conflict {
  return new Conflict(`Idempotency-Key "${key}" came with another body before. Choose a new key.`);
}

function gone(key: string): Conflict {
  return new Conflict(`What the call with Idempotency-Key "${key}" made has been deleted since. Choose a new key.`);
}
