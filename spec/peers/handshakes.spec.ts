import { sideBySide } from './run.js';
import { HANDSHAKES } from './cases/handshakes.js';

sideBySide('handshakes', HANDSHAKES);
