import { sideBySide } from './run.js';
import { ROUTING } from './cases/routing.js';

sideBySide('routing', ROUTING);
