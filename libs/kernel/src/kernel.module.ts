import { DynamicModule, Module } from '@nestjs/common';
import { Clock, SystemClock } from './clock';
import type { Config } from './config';

/** Injection token of the `Config`. */
export const CONFIG = Symbol('CONFIG');

/** Gives every module the configuration (`CONFIG`) and the `Clock`. */
@Module({})
export class KernelModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: KernelModule,
      global: true,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Clock, useClass: SystemClock },
      ],
      exports: [CONFIG, Clock],
    };
  }
}
