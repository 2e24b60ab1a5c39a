import { DeploymentOfAnother, OrchestrationUnavailable } from '@sluice/kernel';
import { TAG, deploymentName, installationTag, isOfAnother, marksOf } from '../names';
import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import { unavailable } from '../prefect/failures';
import * as routes from '../prefect/routes';
import type { WireDeployment } from '../prefect/wire';
import { deploymentOf } from '../prefect/words';
import type { Deployment, DeploymentSpec, HeldDeployment } from '../types';
import type { Bootstrap } from './bootstrap';
import { type Common, creationOf, differencesOf, planFor } from './deployment-plan';

/** Prefect looks through all time zones of its machine twice for each deployment with a cron that it answers, 10 ms: 200 of them took longer than one call may. */
const PAGE = 50;
/** So many of another's deployments are counted, and no more. */
export const SOME_STRANGERS = PAGE;
/** Pages overlap, so that a deployment deleted between two pages does not hide one that is still there. */
const OVERLAP = 10;
/** Creating may end with a second look; both together stay within the budget of one operation. */
const UPSERT_MS = 4_000;
const SECOND_LOOK_MS = 1_000;

export class Deployments {
  /** Whose deployments ours are; `null` until somebody says. */
  installation: string | null = null;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly bootstrap: Bootstrap,
  ) {}

  async find(ingestionId: string): Promise<Deployment | null> {
    const found = await this.prefect.find(routes.readDeploymentByName(deploymentName(ingestionId)));
    return found && deploymentOf(found);
  }

  /** Those marked as this installation's, page by page. One may come twice; one made or deleted meanwhile may be missing. */
  async *pages(): AsyncGenerator<HeldDeployment[]> {
    for (let offset = 0; ; offset += PAGE - OVERLAP) {
      const page = await this.prefect.send(routes.filterDeployments(this.#ours, offset, PAGE));
      yield page.map((wire) => this.#held(wire));
      if (page.length < PAGE) return;
    }
  }

  /** By their names, whoever's they are. */
  async ofIngestions(ingestionIds: readonly string[]): Promise<HeldDeployment[]> {
    const held: HeldDeployment[] = [];
    for (let first = 0; first < ingestionIds.length; first += PAGE) {
      const names = ingestionIds.slice(first, first + PAGE).map(deploymentName);
      const page = await this.prefect.send(routes.filterDeployments({ name: { any_: names } }, 0, PAGE));
      held.push(...page.map((wire) => this.#held(wire)));
    }
    return held;
  }

  /** Of other installations, or marked as nobody's: among the first `SOME_STRANGERS`. */
  async strangers(): Promise<HeldDeployment[]> {
    const page = await this.prefect.send(routes.filterDeployments({ tags: { all_: [TAG] } }, 0, SOME_STRANGERS));
    return page.map((wire) => this.#held(wire)).filter(({ owner }) => owner !== 'ours');
  }

  async upsert(spec: DeploymentSpec): Promise<Deployment> {
    const budget = this.prefect.budget(UPSERT_MS);
    const known = await this.prefect.find(routes.readDeploymentByName(deploymentName(spec.ingestionId)), budget);
    if (!known) return deploymentOf(await this.#create(spec, budget));
    await this.#bringTo(known, spec, budget);
    return deploymentOf(await this.prefect.send(routes.readDeployment(known.id), budget));
  }

  /** Returns what it was before; `null`: no such deployment. */
  async change(id: string, spec: DeploymentSpec): Promise<Deployment | null> {
    const budget = this.prefect.budget();
    const known = await this.prefect.find(routes.readDeployment(id), budget);
    if (!known || !(await this.#bringTo(known, spec, budget))) return null;
    return deploymentOf(known);
  }

  async setPaused(id: string, paused: boolean): Promise<boolean> {
    const budget = this.prefect.budget();
    const known = await this.prefect.find(routes.readDeployment(id), budget);
    if (!known) return false;
    this.#assertNotOfAnother(known);
    const route = paused ? routes.pauseDeployment(id) : routes.resumeDeployment(id);
    return (await this.prefect.find(route, budget)) !== null;
  }

  get #ours() {
    if (this.installation === null) throw new Error('Nobody has said for which installation the gateway speaks.');
    return { tags: { all_: [installationTag(this.installation)] } };
  }

  get #common(): Common {
    return { pool: this.bootstrap.pool, installation: this.installation };
  }

  #held(wire: WireDeployment): HeldDeployment {
    const marks = marksOf(wire.tags);
    const isOurs = this.installation !== null && marks.includes(installationTag(this.installation));
    const owner = isOurs ? 'ours' : marks.length > 0 ? 'other' : 'unmarked';
    return { ...deploymentOf(wire), owner, differences: (spec) => differencesOf(wire, spec, this.#common) };
  }

  /** False: the deployment vanished meanwhile. A pause comes first and a resume last, so that no run is planned in between. */
  async #bringTo(known: WireDeployment, spec: DeploymentSpec, budget: Budget): Promise<boolean> {
    const { id } = known;
    this.#assertNotOfAnother(known);
    const plan = planFor(known, spec, this.#common);
    if (plan.paused && !(await this.prefect.find(routes.pauseDeployment(id), budget))) return false;
    for (const schedule of plan.dropSchedules) await this.prefect.find(routes.removeSchedule(id, schedule), budget);
    if (plan.patch && !(await this.prefect.find(routes.patchDeployment(id, plan.patch), budget))) return false;
    return plan.paused !== false || (await this.prefect.find(routes.resumeDeployment(id), budget)) !== null;
  }

  #assertNotOfAnother({ name, tags }: WireDeployment): void {
    if (!isOfAnother(tags, this.installation)) return;
    throw new DeploymentOfAnother(name, marksOf(tags));
  }

  async #create(spec: DeploymentSpec, budget: Budget): Promise<WireDeployment> {
    const flowId = await this.bootstrap.ensureFlow(budget);
    const creation = creationOf(spec, flowId, this.#common);
    return (await this.#post(creation, budget)) ?? (await this.#createWithPool(creation, budget));
  }

  /** The pool was deleted: made again once. */
  async #createWithPool(creation: ReturnType<typeof creationOf>, budget: Budget): Promise<WireDeployment> {
    await this.bootstrap.ensurePool(budget);
    const made = await this.#post(creation, budget);
    if (!made) throw unavailable('not_initialized', `work pool ${this.bootstrap.pool} is missing`);
    return made;
  }

  /** An answer that got lost is resolved by asking once, by name: whatever the last attempt met, an earlier one may have arrived, maybe at another server. */
  async #post(creation: ReturnType<typeof creationOf>, budget: Budget): Promise<WireDeployment | null> {
    try {
      return await this.prefect.find(routes.createDeployment(creation), budget);
    } catch (error) {
      if (!(error instanceof OrchestrationUnavailable)) throw error;
      const made = await this.#secondLook(creation.name);
      if (!made) throw error;
      return made;
    }
  }

  async #secondLook(name: string): Promise<WireDeployment | null> {
    const budget = this.prefect.budget(SECOND_LOOK_MS, undefined, true);
    return this.prefect.find(routes.readDeploymentByName(name), budget).catch(() => null);
  }
}
