// The recording as blocks of bytes with their times. The server sends FBS 001.000: blocks of a length, bytes padded to a multiple of
// four, and milliseconds. The page reads more only when it has played all read blocks, and the server reads the file no faster.

const HEADER = 12;

/** `next()` resolves to `{ ms, bytes }`, or to undefined at the end; `isDamaged`: the rest of the file is damaged. */
export function openSource(url) {
  const stop = new window.AbortController();
  let reader;
  let buffer = new Uint8Array(0);
  let isComplete = false;

  async function open() {
    const answer = await fetch(url, { signal: stop.signal, cache: 'no-store' });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    reader = answer.body.getReader();
    await take(HEADER);
  }

  /** Resolves to the next bytes, or to undefined if fewer are left. */
  async function take(length) {
    while (buffer.length < length && !isComplete) {
      const { done, value } = await reader.read();
      if (done) isComplete = true;
      else if (buffer.length === 0) buffer = value;
      else buffer = joined(buffer, value);
    }
    if (buffer.length < length) return undefined;
    const bytes = buffer.subarray(0, length);
    buffer = buffer.subarray(length);
    return bytes;
  }

  const source = {
    isDamaged: false,
    async next() {
      if (reader === undefined) await open();
      const head = await take(4);
      if (head === undefined) return undefined;
      const length = numberAt(head, 0);
      const rest = await take(((length + 3) & ~3) + 4);
      if (rest === undefined) return undefined;
      if (length === 0) {
        source.isDamaged = true;
        return undefined;
      }
      return { ms: numberAt(rest, rest.length - 4), bytes: rest.subarray(0, length) };
    },
    close() {
      stop.abort();
    },
  };
  return source;
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function numberAt(bytes, offset) {
  return new window.DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0);
}
