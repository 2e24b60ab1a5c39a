/** Bytes of a request's body, at most. */
export const BODY_LIMIT = 1024 * 1024;

/** What a body may be sent as. */
export const BODY_TYPES = ['application/json', 'application/*+json'];
