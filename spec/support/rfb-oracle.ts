/** What a reader of RFB finds in the bytes of a client after ClientInit. */
export interface Parsed {
  readonly messages: readonly { readonly type: number; readonly bytes: Buffer }[];
  /** The bytes after the last whole message. */
  readonly rest: Buffer;
  /** The rest can't be a message, whatever follows. */
  readonly isInvalid: boolean;
}

/** The way in which a server departs from others. */
export interface ServerKind {
  /** Does the server know extended mouse buttons? */
  readonly knowsButtons: boolean;
  /** A server that reads fewer encodings than announced, as neatvnc before 0.8. */
  readonly mostEncodings?: number;
}

/** Written from the specification, as a server reads the bytes: the whole stream is there, and nothing is cut. */
export function parseClient(stream: Buffer, server: ServerKind): Parsed {
  const messages: { type: number; bytes: Buffer }[] = [];
  let at = 0;
  let hasButtons = false;
  for (;;) {
    const left = stream.subarray(at);
    const size = sizeOf(left, hasButtons, server);
    if (size === undefined || size > left.length)
      return { messages, rest: left, isInvalid: size === undefined && left.length > 0 };
    const bytes = left.subarray(0, size);
    if (bytes[0] === 2) {
      hasButtons = false;
      for (let i = 4; i < size; i += 4) if (bytes.readInt32BE(i) === -316) hasButtons = server.knowsButtons;
    }
    messages.push({ type: bytes[0]!, bytes });
    at += size;
  }
}

/** Undefined if the message is invalid or empty; Infinity if the length is not there yet. */
function sizeOf(m: Buffer, hasButtons: boolean, { mostEncodings = 1024 }: ServerKind): number | undefined {
  const has = (size: number, then: () => number | undefined): number | undefined =>
    m.length < size ? Infinity : then();
  switch (m[0]) {
    case 0:
      return 20;
    case 2:
      return has(4, () =>
        m.readUInt16BE(2) > 1024 ? undefined : 4 + 4 * Math.min(mostEncodings, m.readUInt16BE(2)),
      );
    case 3:
    case 150:
      return 10;
    case 4:
      return 8;
    case 5:
      return has(2, () => (hasButtons && m[1]! & 0x80 ? 7 : 6));
    case 6:
      return has(8, () => {
        const length = m.readInt32BE(4);
        if (length < 0 && length > -4) return undefined;
        return 8 + Math.abs(length);
      });
    case 248:
      return has(9, () => (m[8]! > 64 ? undefined : 9 + m[8]!));
    case 250:
      return 4;
    case 251:
      return has(8, () => 8 + 16 * m[6]!);
    case 255:
      return has(2, () => {
        if (m[1] === 0) return 12;
        if (m[1] !== 1) return undefined;
        return has(4, () => [4, 4, 10][m.readUInt16BE(2)]);
      });
    default:
      return undefined;
  }
}

/** The messages that a watcher may send. */
export const VIEW_TYPES: readonly number[] = [0, 2, 3, 150, 248];

/** What passes of a message in a viewOnly tunnel: of SetEncodings the first 32 encodings. */
export function passingPart(message: Buffer): Buffer {
  if (!VIEW_TYPES.includes(message[0]!)) return Buffer.alloc(0);
  if (message[0] !== 2 || message.readUInt16BE(2) <= 32) return message;
  const passing = Buffer.from(message.subarray(0, 4 + 4 * 32));
  passing.writeUInt16BE(32, 2);
  return passing;
}
