/**
 * The types of client messages (RFC 6143 section 7.5, and https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst). A message of
 * another type has an unknown length, so that no later message can be found.
 */
export const MESSAGE = {
  setPixelFormat: 0,
  setEncodings: 2,
  framebufferUpdateRequest: 3,
  keyEvent: 4,
  pointerEvent: 5,
  clientCutText: 6,
  enableContinuousUpdates: 150,
  fence: 248,
  xvp: 250,
  setDesktopSize: 251,
  qemu: 255,
} as const;

/** The submessages of {@link MESSAGE.qemu}. */
export const QEMU = { keyEvent: 0, audio: 1 } as const;

/** The one operation of {@link QEMU.audio} with a body: the sample format. */
export const QEMU_AUDIO_FORMAT = 2;

/** The pseudo-encoding of a client that may send 7 bytes in a PointerEvent. */
export const EXTENDED_MOUSE_BUTTONS = -316;

/** Far above any client: noVNC 1.7 sends 25, the TigerVNC viewer about 30. */
export const MAX_ENCODINGS = 1024;

/**
 * The encodings that pass in a `viewOnly` tunnel: the first 32. neatvnc before 0.8 (wayvnc) reads 32 encodings and takes the others for
 * messages, which could be keys (https://github.com/any1/neatvnc/commit/65fc23c).
 */
export const MAX_VIEW_ENCODINGS = 32;

/** A longer payload is not allowed, and servers treat it in different ways: TigerVNC skips the message, neatvnc closes. */
export const MAX_FENCE = 64;

/** `view`: needed to see the desktop. `input`: keys and pointer. */
export type MessageKind = 'view' | 'input' | 'other';

interface MessageRule {
  readonly type: number;
  readonly kind: MessageKind;
  /** The bytes of the whole message, if all messages of the type have the same length. */
  readonly size?: number;
  /** Otherwise the bytes that tell the length. */
  readonly head?: number;
}

const RULES: readonly MessageRule[] = [
  { type: MESSAGE.setPixelFormat, kind: 'view', size: 20 },
  { type: MESSAGE.setEncodings, kind: 'view', head: 4 },
  { type: MESSAGE.framebufferUpdateRequest, kind: 'view', size: 10 },
  { type: MESSAGE.keyEvent, kind: 'input', size: 8 },
  { type: MESSAGE.pointerEvent, kind: 'input', head: 6 },
  { type: MESSAGE.clientCutText, kind: 'other', head: 8 },
  { type: MESSAGE.enableContinuousUpdates, kind: 'view', size: 10 },
  { type: MESSAGE.fence, kind: 'view', head: 9 },
  { type: MESSAGE.xvp, kind: 'other', size: 4 },
  { type: MESSAGE.setDesktopSize, kind: 'other', head: 8 },
  // Keys are input, audio is not: the second byte decides.
  { type: MESSAGE.qemu, kind: 'other', head: 2 },
];

/** The longest head. */
export const MAX_HEAD = 9;

function byType(valueOf: (rule: MessageRule) => number): Uint8Array {
  const values = new Uint8Array(256);
  for (const rule of RULES) values[rule.type] = valueOf(rule);
  return values;
}

/** By type: the size of a message of fixed length, else 0. */
export const FIXED_SIZE = byType(({ size }) => size ?? 0);

/** By type: the bytes that tell the length, or 0. */
export const HEAD_SIZE = byType(({ head }) => head ?? 0);

/** By type: 1 for messages that pass in a `viewOnly` tunnel. */
export const IS_VIEW = byType(({ kind }) => (kind === 'view' ? 1 : 0));
