import type { Random } from '../../support/random.js';
import { bytesOf, rfb, s32 } from '../../support/rfb.js';

/** Encodings whose bytes are messages of their own, and ones that change the length of messages. */
const ENCODINGS = [-316, -312, -313, 7, 0x04010000, 0x00000061, 0x05010001, -239];

function messageOf(random: Random): Buffer {
  switch (random.below(16)) {
    case 0:
      return rfb.setPixelFormat();
    case 1:
    case 2: {
      const count = random.oneIn(8) ? random.between(30, 60) : random.below(6);
      return rfb.setEncodings(...Array.from({ length: count }, () => random.pick(ENCODINGS)));
    }
    case 3:
      return rfb.continuousUpdates();
    case 4:
      return rfb.fence(random.oneIn(3) ? rfb.key() : random.bytes(random.below(65)));
    case 5:
      return rfb.key();
    case 6:
      return rfb.pointer(random.below(256), random.below(5), 4);
    case 7:
      return rfb.extendedPointer(random.below(256), random.below(256));
    case 8:
      return rfb.cutText(random.bytes(random.size(60)).toString('latin1'));
    case 9:
      return rfb.extendedCutText(random.bytes(random.between(random.oneIn(20) ? 0 : 4, 60)));
    case 10:
      return random.oneIn(4) ? rfb.xvp() : rfb.qemuKey();
    case 11:
      return rfb.setDesktopSize(random.oneIn(200) ? 255 : random.below(4));
    case 12:
      return rfb.qemuAudio(random.below(random.oneIn(20) ? 5 : 3));
    case 13:
      return random.oneIn(20) ? bytesOf(6, 0, 0, 0, s32(random.word())) : rfb.updateRequest();
    case 14:
      return random.oneIn(20) ? random.bytes(random.between(1, 12)) : rfb.updateRequest();
    default:
      return rfb.updateRequest();
  }
}

/** Bytes of a client after ClientInit, mostly valid. */
export function clientStream(random: Random): Buffer {
  if (random.oneIn(20)) return random.bytes(random.between(1, 60));
  return Buffer.concat(Array.from({ length: random.between(1, 12) }, () => messageOf(random)));
}
