/**
 * Who the servers are and where their state lives, unless `--cluster FILE` and `--state-dir DIR`
 * say otherwise. Change it as you like: 1 to 9 servers, each named by one capital letter.
 */
export const DEFAULT_CLUSTER = {
  A: '127.0.0.1:1234',
  B: '127.0.0.1:1235',
  C: '127.0.0.1:1236',
};

/** Every server keeps its own file in this directory. */
export const DEFAULT_STATE_DIR = 'state';
