import { DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CONFIG, type Config } from '@sluice/kernel';
import { migrate } from './migrate';
import { controlDatabase } from './options';

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
            return { ...controlDatabase(url), autoLoadEntities: true };
          },
        }),
      ],
    };
  }
}
