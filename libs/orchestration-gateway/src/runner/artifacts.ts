import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';

const PROGRESS_KEY = 'load-progress';

/** What a flow run leaves for people to look at in Prefect. Only a courtesy: a failure is counted and nothing else. */
export class Artifacts {
  #progressId: Promise<string | null> | null = null;
  #failed = 0;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly flowRunId: string,
  ) {}

  get failed(): number {
    return this.#failed;
  }

  async markdown(key: string, markdown: string): Promise<void> {
    await this.#create(key, 'markdown', markdown.replaceAll('\0', ''));
  }

  /** The first call makes the artifact, the others change it. */
  async progress(percent: number, description: string): Promise<void> {
    const data = Math.min(100, Math.max(0, percent));
    if (!this.#progressId)
      return void (await (this.#progressId = this.#create(PROGRESS_KEY, 'progress', data, description)));
    const id = await this.#progressId;
    if (id === null) this.#progressId = null;
    else await this.prefect.find(routes.patchArtifact(id, { data, description })).catch(() => this.#failed++);
  }

  async #create(key: string, type: string, data: unknown, description?: string): Promise<string | null> {
    const artifact = {
      key,
      type,
      data,
      flow_run_id: this.flowRunId,
      ...(description === undefined ? {} : { description }),
    };
    try {
      return (await this.prefect.send(routes.createArtifact(artifact))).id;
    } catch {
      this.#failed++;
      return null;
    }
  }
}
