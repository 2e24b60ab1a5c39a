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

  /** Reads the id, making it the first time, and tells the gateway. Asked again and again by each replica: a person may change it, a database be exchanged. */
  async recall(): Promise<string> {
    const found = (await this.read()) ?? (await this.make());
    this.gateway.speakFor(found);
    return found;
  }

  private async read(): Promise<string | undefined> {
    return (await rowsOf<{ id: string }>(this.dataSource, 'SELECT id FROM sluice_control.installation'))[0]?.id;
  }

  private async make(): Promise<string> {
    await this.dataSource.query('INSERT INTO sluice_control.installation DEFAULT VALUES ON CONFLICT DO NOTHING');
    const made = await this.read();
    if (made === undefined) throw new Error('The table sluice_control.installation lost its row.');
    return made;
  }
}
