/** Where what was made, or what was started, can be seen. */
export const LOCATION = { Location: { description: 'Its own path.', schema: { type: 'string' as const } } };

/** Of a call that may be repeated. */
export const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  required: false,
  schema: { type: 'string' as const, minLength: 1, maxLength: 255 },
  description:
    'Makes the call repeatable for 24 hours: the same key with the same body answers what was made the first time, and nothing is made again. 409: the key came with another body, or its first call is still under way. The key of a call that failed is free again.',
};
