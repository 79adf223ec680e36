/** The program of the page. Its own text is also that of the worker which looks for violations. */
import { findAsWorker } from './finder.ts';
import { showPage } from './page.ts';

if (typeof document === 'undefined') findAsWorker();
else void showPage();
