import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions, type OpenAPIObject } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsNumber,
  IsObject,
  IsString,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';

type SchemaObject = Exclude<NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string], { $ref: string }>;

/**
 * The fields of request bodies: each decorator checks a value's shape and documents it, so that the two cannot differ. Which values of a
 * fitting shape are allowed is the domain's to say (`VALUE_ERROR`); `available` only documents them.
 */
interface Field {
  description: string;
  /** Default true. */
  required?: boolean;
  /** Whether `null` may be sent; default false. */
  nullable?: boolean;
  example?: unknown;
  default?: unknown;
}

function field(
  options: Field,
  documented: Partial<ApiPropertyOptions>,
  ...checks: PropertyDecorator[]
): PropertyDecorator {
  const { required = true, nullable = false, ...rest } = options;
  const isGiven = (_: object, value: unknown) => !(value === undefined && !required) && !(value === null && nullable);
  const property = { required, ...(nullable ? { nullable } : {}), ...rest, ...documented } as ApiPropertyOptions;
  return applyDecorators(ApiProperty(property), ValidateIf(isGiven), ...checks);
}

/** `available`: the values taken now. */
export function TextField({ available, ...options }: Field & { available?: readonly string[] }): PropertyDecorator {
  return field(options, { type: String, ...(available ? { enum: [...available] } : {}) }, IsString());
}

export function FlagField(options: Field): PropertyDecorator {
  return field(options, { type: Boolean }, IsBoolean());
}

/** `type` and bounds are documented; the domain holds the value to them. */
export function NumberField({ fractions = false, ...options }: Field & Bounds): PropertyDecorator {
  return field(options, { type: fractions ? 'number' : 'integer' }, IsNumber());
}

interface Bounds {
  /** Default false: whole numbers only. */
  fractions?: boolean;
  minimum?: number;
  maximum?: number;
}

/** A number of a query, which comes as text. */
export function QueryNumberField(options: Field & Bounds): PropertyDecorator {
  return applyDecorators(
    Type(() => Number),
    NumberField(options),
  );
}

const MAX_LIST = 1000;

export function TextListField(options: Field): PropertyDecorator {
  return field(options, { type: [String] }, IsArray(), ArrayMaxSize(MAX_LIST), IsString({ each: true }));
}

/** A number, or a text that stands for one; which, the domain says. */
export function NumberOrTextField(options: Field): PropertyDecorator {
  const oneOf = [{ type: 'integer' }, { type: 'string' }];
  return field(options, { oneOf }, IsNumberOrText());
}

function IsNumberOrText(): PropertyDecorator {
  const name = 'isNumberOrText';
  const validate = (value: unknown) => typeof value === 'number' || typeof value === 'string';
  return ValidateBy({
    name,
    validator: { validate, defaultMessage: (it) => `${it?.property ?? 'value'} must be a number or a text` },
  });
}

/** A part with fields of its own. */
export function PartField(part: () => new () => object, options: Field): PropertyDecorator {
  // Only a function called `type` counts as one that gives the class (@nestjs/swagger, isLazyTypeFunc).
  return field(options, { type: () => part() }, IsObject(), ValidateNested(), Type(part));
}

/** An object whose keys are the caller's; the domain looks into it. */
export function OpenObjectField(options: Field & { values?: SchemaObject }): PropertyDecorator {
  const { values = {}, ...rest } = options;
  return field(rest, { type: 'object', additionalProperties: values }, IsObject());
}
