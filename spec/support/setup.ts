// Before each spec file, in its worker.
import { useOwnEnvironment } from './environment.js';
import { startWatchdog } from './watchdog.js';

useOwnEnvironment();
startWatchdog();
