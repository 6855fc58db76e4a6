import { sideBySide } from './run.js';
import { HOSTS } from './cases/hosts.js';

sideBySide('hosts', HOSTS);
