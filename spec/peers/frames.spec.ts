import { sideBySide } from '../support/peers-run.js';
import { FRAMES } from './cases/frames.js';

sideBySide('frames', FRAMES);
