import * as types from './message-types.js';

const { MESSAGE, QEMU } = types;

/** The bytes that tell the length of a message, as far as the bytes before `end` show; 0 for an unknown type. */
export function headSize(bytes: Buffer, at: number, end: number): number {
  const type = bytes[at] ?? 0;
  if (type === MESSAGE.qemu && at + 1 < end && bytes[at + 1] === QEMU.audio) return 4;
  return types.HEAD_SIZE[type] ?? 0;
}

/**
 * The bytes after a complete head, or -1 if the message is invalid.
 *
 * A PointerEvent has one byte more if the client has announced extended mouse buttons and bit 7 of the mask is set
 * (https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#extendedmousebuttons-pseudo-encoding).
 */
export function bodySize(bytes: Buffer, at: number, hasExtendedButtons: boolean): number {
  switch (bytes[at]) {
    case MESSAGE.pointerEvent:
      return hasExtendedButtons && (bytes[at + 1] ?? 0) >= 0x80 ? 1 : 0;
    case MESSAGE.setEncodings: {
      const count = bytes.readUInt16BE(at + 2);
      return count <= types.MAX_ENCODINGS ? 4 * count : -1;
    }
    case MESSAGE.clientCutText: {
      const length = bytes.readInt32BE(at + 4);
      if (length >= 0) return length;
      // The extended clipboard: the absolute value is the length, and the body begins with 4 bytes of flags.
      return -length >= 4 ? -length : -1;
    }
    case MESSAGE.fence: {
      const length = bytes[at + 8] ?? 0;
      return length <= types.MAX_FENCE ? length : -1;
    }
    case MESSAGE.setDesktopSize:
      return 16 * (bytes[at + 6] ?? 0);
    case MESSAGE.qemu:
      return qemuBodySize(bytes, at);
    default:
      return -1;
  }
}

function qemuBodySize(bytes: Buffer, at: number): number {
  const submessage = bytes[at + 1];
  if (submessage === QEMU.keyEvent) return 10;
  if (submessage !== QEMU.audio) return -1;
  const operation = bytes.readUInt16BE(at + 2);
  if (operation > types.QEMU_AUDIO_FORMAT) return -1;
  return operation === types.QEMU_AUDIO_FORMAT ? 6 : 0;
}

/** Why {@link bodySize} is -1, or the type is unknown. */
export function whyInvalid(bytes: Buffer, at: number): string {
  const type = bytes[at] ?? 0;
  switch (type) {
    case MESSAGE.setEncodings:
      return `client message 2 (SetEncodings) has ${bytes.readUInt16BE(at + 2)} encodings`;
    case MESSAGE.clientCutText:
      return `client message 6 (ClientCutText) has an invalid length: ${bytes.readInt32BE(at + 4)}`;
    case MESSAGE.fence:
      return `client message 248 (Fence) has ${bytes[at + 8]} bytes of payload`;
    case MESSAGE.qemu:
      return bytes[at + 1] === QEMU.audio
        ? `client message 255 (QEMU audio) has an unknown operation: ${bytes.readUInt16BE(at + 2)}`
        : `client message 255 (QEMU) has an unknown submessage: ${bytes[at + 1]}`;
    default:
      return `unknown client message ${type}`;
  }
}
