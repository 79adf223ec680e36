/** Where a server answers over HTTP, and whom. */
import { type Address, formatAddress, parseAddress } from '../cluster-file.ts';
import { describe, UsageError } from '../failure.ts';
import { MIN_KEY_BYTES } from '../sealed-datagrams.ts';
import { isLoopback, secretIn } from '../shared-key.ts';
import type { HttpOptions } from './door.ts';

export const TOKEN_FILE_HELP = `what HTTP clients must know, ${MIN_KEY_BYTES} characters or more, \
in a file that only you may read`;

const LOOPBACK = '127.0.0.1';

/**
 * What `--http` and `--http-token-file` say; null: it answers nobody. Throws a `UsageError`, also
 * if other machines could change what is stored, and there is no token to keep them out.
 */
export function httpOptionsOf(
  where: string | undefined,
  tokenFile: string | undefined,
  isStore: boolean,
): HttpOptions | null {
  if (where === undefined) {
    if (tokenFile === undefined) return null;
    throw new UsageError('--http-token-file is of use only with --http');
  }
  if (!isStore) throw new UsageError('--http asks for keys, and needs --store');
  const address = httpAddress(where);
  const token = tokenFile === undefined ? null : tokenIn(tokenFile);
  if (token !== null || isLoopback(address)) return { address, token };
  const who = `whoever reaches ${formatAddress(address)} could change what is stored`;
  throw new UsageError(`${who}: give HTTP clients a token with --http-token-file`);
}

/** A port alone is one of this machine. */
function httpAddress(where: string): Address {
  try {
    const isPort = /^[0-9]+$/.test(where);
    const { host, port } = parseAddress('--http', isPort ? `${LOOPBACK}:${where}` : where);
    return { host: host === 'localhost' ? LOOPBACK : host, port };
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

function tokenIn(file: string): string {
  try {
    const token = secretIn(file).toString('latin1');
    if (!/^[!-~]*$/.test(token)) throw new Error('it holds what no header can carry');
    if (token.length >= MIN_KEY_BYTES) return token;
    throw new Error(`it has ${token.length} characters, and ${MIN_KEY_BYTES} are the least`);
  } catch (error) {
    throw new UsageError(`the token file ${file} cannot be used: ${describe(error)}`);
  }
}
