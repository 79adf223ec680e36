/** Who may ask, and whether there is what is asked for. Whatever is not is a `Problem`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hasBody } from './body.ts';
import { Problem } from './problem.ts';
import { ROUTES, type Route } from './routes.ts';
import type { Target } from './target.ts';

/** In the name of which nobody but this machine asks, whatever name a page found for it. */
const OWN_NAMES = /^(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?$/i;

/** Every request is compared with all of them. */
const KNOWN = ROUTES.map((route) => ({ route, parts: route.path.slice(1).split('/') }));

/**
 * Has whoever asks the token, or, where there is none, come by a name of this machine, and not from
 * a page of somebody else?
 */
export function checkAsker(
  request: IncomingMessage,
  { authority }: Target,
  token: string | null,
): void {
  checkHost(request);
  const { authorization = '', host = null } = request.headers;
  if (token === null) {
    checkName(authority ?? host);
    return checkPage(request);
  }
  const [, given = ''] = /^Bearer +([!-~]+)$/i.exec(authorization) ?? [];
  if (timingSafeEqual(hashOf(given), hashOf(token))) return;
  const headers = { 'www-authenticate': 'Bearer' };
  throw new Problem(401, 'a token is needed: Authorization: Bearer …', { headers });
}

/** Two of them may mean two things to two programs. */
function checkHost({ rawHeaders, httpVersion }: IncomingMessage): void {
  if (!['1.0', '1.1'].includes(httpVersion)) {
    throw new Problem(505, 'what is spoken here is HTTP/1.1', { closes: true });
  }
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  const hosts = names.filter((name) => name.toLowerCase() === 'host').length;
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return;
  throw new Problem(400, 'it must have one header Host', { closes: true });
}

/**
 * A page of anybody may have its own name lead to this machine, and a browser would then let it ask
 * here. But it says by which name it came.
 */
function checkName(name: string | null): void {
  if (name === null || OWN_NAMES.test(name)) return;
  throw new Problem(421, 'without a token only this machine may ask, by the name localhost');
}

/**
 * A browser sends what any page wants, by the name localhost, too. The page may not read the
 * answer, but a lock would be taken. So whoever comes from a page has to be of this machine.
 */
function checkPage({ headers }: IncomingMessage): void {
  const { origin, 'sec-fetch-site': site = 'none' } = headers;
  const isOwn = origin === undefined || OWN_NAMES.test(origin.replace(/^https?:\/\//, ''));
  if (isOwn && site !== 'cross-site') return;
  throw new Problem(403, 'without a token no page of another site may ask', { closes: true });
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** What is at this target, and can be done there by this method. */
export function routeOf(method: string, { path }: Target): Route {
  const there = KNOWN.filter(({ parts }) => isPath(parts, path)).map(({ route }) => route);
  if (there.length === 0) {
    const isDeep = path[0] === 'kv' && path.length > 2;
    const advice = isDeep ? '; in a key / is written %2F' : ': see /openapi.json';
    throw new Problem(404, `there is nothing here${advice}`);
  }
  const isHead = method === 'HEAD' && path[0] !== 'watch';
  const route = there.find((known) => known.method === (isHead ? 'GET' : method));
  if (route !== undefined) return route;
  const allow = there.map((known) => known.method).join(', ');
  throw new Problem(405, `what can be done here is ${allow}`, { headers: { allow } });
}

function isPath(route: readonly string[], path: readonly string[]): boolean {
  if (route.length !== path.length) return false;
  return route.every((part, index) => part.startsWith('{') || part === path[index]);
}

/** Is the request one that the route understands? */
export function checkRequest(request: IncomingMessage, { query }: Target, route: Route): void {
  const { headers } = request;
  checkFrame(request);
  for (const name of query.keys()) {
    if (route.query.includes(name)) continue;
    const known = route.query.length === 0 ? 'nothing' : route.query.join(', ');
    throw new Problem(400, `it knows ${known} behind the ?, and not ${JSON.stringify(name)}`);
  }
  if (route.method !== 'PUT' && hasBody(request)) {
    throw new Problem(400, `${route.method} carries nothing`, { closes: true });
  }
  if (headers['content-encoding'] !== undefined) {
    throw new Problem(415, 'a value is sent as it is, and not encoded');
  }
  if (headers['content-range'] !== undefined) {
    throw new Problem(400, 'a value is set as a whole, and not in part', { closes: true });
  }
}

/** Where it ends, and what it carries, must mean the same to all programs on its way. */
function checkFrame({ headers, httpVersion }: IncomingMessage): void {
  const { 'transfer-encoding': coding, expect } = headers;
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    throw new Problem(400, 'it may come in chunks, by HTTP/1.1, and coded in no other way', {
      closes: true,
    });
  }
  if (expect === undefined || expect.toLowerCase() === '100-continue') return;
  throw new Problem(417, 'nothing can be expected here but 100-continue', { closes: true });
}
