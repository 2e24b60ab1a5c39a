/** Where what was made, or what was started, can be seen. */
export const LOCATION = { Location: { description: 'Its own path.', schema: { type: 'string' as const } } };
