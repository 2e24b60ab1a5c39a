import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';

/** Fields of answers. They are documented only: what an answer holds is decided by its `static of`. */
type Options = Omit<ApiPropertyOptions, 'required'>;

const shown = (options: Options): PropertyDecorator => ApiProperty(options as ApiPropertyOptions);

export const Shown = (description: string, options: Options = {}): PropertyDecorator =>
  shown({ description, ...options });

export const ShownId = (description: string, options: Options = {}): PropertyDecorator =>
  Shown(description, { type: String, format: 'uuid', ...options });

export const ShownTime = (description: string, options: Options = {}): PropertyDecorator =>
  Shown(description, { type: String, format: 'date-time', ...options });

export const ShownCount = (description: string, options: Options = {}): PropertyDecorator =>
  Shown(description, { type: 'integer', ...options });

export const NULLABLE = { nullable: true } as const;

export const timeOrNull = (time: Date | null): string | null => time?.toISOString() ?? null;
