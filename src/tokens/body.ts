import { TunnelError } from '../errors.js';
import { sourceFailure } from './refusals.js';

/** Messages about the body of an answer. */
interface BodyFaults {
  readonly tooLong: string;
  readonly broken: string;
}

/** Reads a body of at most `most` bytes. Rejects with the refusal of a failed source, or with the error of the aborted signal. */
export async function readBody(
  { body }: Response,
  most: number,
  signal: AbortSignal,
  faults: BodyFaults,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body ?? []) {
      const bytes = chunk as Uint8Array;
      length += bytes.length;
      if (length > most) throw sourceFailure('wrong', faults.tooLong);
      chunks.push(bytes);
    }
  } catch (error) {
    if (signal.aborted || error instanceof TunnelError) throw error;
    throw sourceFailure('down', faults.broken);
  }
  return Buffer.concat(chunks);
}
