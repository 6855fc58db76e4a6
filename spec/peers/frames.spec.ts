import { sideBySide } from './run.js';
import { FRAMES } from './cases/frames.js';

sideBySide('frames', FRAMES);
