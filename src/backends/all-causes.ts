import { messageOf } from '../errors.js';

/** A name with several addresses fails with one error for each and an empty message: this puts all causes into the message. */
export function withAllCauses(error: unknown): unknown {
  if (!(error instanceof AggregateError) || error.message !== '') return error;
  return new Error(error.errors.map(messageOf).join('; '), { cause: error });
}
