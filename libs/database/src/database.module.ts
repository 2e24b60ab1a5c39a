import { DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CONFIG, type Config } from '@sluice/kernel';
import { impatientClient } from './impatient-client';
import { migrate } from './migrate';
import { controlDatabase } from './options';

/**
 * A connection may be dropped without a word, and whoever waits on it would wait for ever. The longest statements are those that remove what
 * hundreds of thousands of files left; migrations, which may take longer, have a connection of their own.
 */
const ANSWER_MS = 60_000;

/** The control database as TypeORM's `DataSource`. Needs `KernelModule`. */
@Module({})
export class DatabaseModule {
  /** `migrate` (default false) brings the schema up before anything connects; for the API, never for the flow-runner. */
  static forRoot({ migrate: first = false }: { migrate?: boolean } = {}): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [CONFIG],
          useFactory: async (config: Config) => {
            const url = config.DATABASE_URL.reveal();
            if (first) await migrate(url);
            const extra = { keepAlive: true, Client: impatientClient(ANSWER_MS) };
            return { ...controlDatabase(url), extra, autoLoadEntities: true };
          },
        }),
      ],
    };
  }
}
