import { Injectable, type OnModuleInit } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';

/** Which Sluice this is, among those that may share a Prefect. */
@Injectable()
export class Installation implements OnModuleInit {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** Before the first deployment is made or compared. */
  async onModuleInit(): Promise<void> {
    await this.recall();
  }

  /** Reads the id, making it the first time, and tells the gateway. Asked again for each comparison: a database may be exchanged under a running process. */
  async recall(): Promise<string> {
    await this.dataSource.query('INSERT INTO sluice_control.installation DEFAULT VALUES ON CONFLICT DO NOTHING');
    const [found] = await rowsOf<{ id: string }>(this.dataSource, 'SELECT id FROM sluice_control.installation');
    if (!found) throw new Error('The table sluice_control.installation lost its row.');
    this.gateway.speakFor(found.id);
    return found.id;
  }
}
