import { sideBySide } from '../support/peers-run.js';
import { HANDSHAKES } from './cases/handshakes.js';

sideBySide('handshakes', HANDSHAKES);
