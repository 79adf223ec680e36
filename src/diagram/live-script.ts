/**
 * What the script of a live page does beside that of a diagram's page, behind which it stands: it
 * takes what the server sends, and scrolls along unless the reader has scrolled up. The marks that
 * it puts into the picture are drawn, and escaped, by the server.
 */
export const LIVE_SCRIPT = `
const main = document.querySelector('main');
const newest = document.getElementById('newest');
const heights = { top: 'topHeight', heads: 'headsHeight', rows: 'height', legend: 'legendHeight' };
/** Parts that are marks, and where they go. */
const marks = { cards: 'servers', boxes: 'shown', column: 'columns' };
/** The reader is at the end of the picture, and wants to see what comes. */
let follows = true;

function byId(id) {
  return document.getElementById(id);
}

function isAtEnd() {
  return innerHeight + scrollY >= document.documentElement.scrollHeight - 60;
}

function setFollows(isFollowing) {
  follows = isFollowing;
  newest.hidden = follows;
}

function goToEnd() {
  setFollows(true);
  const top = document.documentElement.scrollHeight;
  window.scrollTo({ top, left: scrollX, behavior: 'instant' });
}

/** Where the first row is that the reader sees, to keep it there when others go. */
function firstSeen() {
  const top = picture.getBoundingClientRect().top;
  const y = heads.getBoundingClientRect().bottom - top;
  const row = data.rows[rowAt(Math.max(0, y))];
  return row === undefined ? null : { number: row.number + rowsBefore(), y: top + row.top };
}

function numberAt(index) {
  return index < 0 ? 0 : data.rows[index].number + rowsBefore();
}

/** Takes what has come: what the reader looks at stays where it is, or is the newest row. */
function take(changes, isAll) {
  const wasFollowing = follows;
  const seen = follows ? null : firstSeen();
  const isFirst = current < 0;
  const wasLast = current === data.rows.length - 1;
  const chosen = numberAt(current);
  if (isAll) forget();
  for (const [name, text] of Object.entries(changes.parts)) putPart(name, text);
  for (const [name, list] of Object.entries(changes.lists)) putList(name, list);
  showColumn();
  show();
  violations = shownViolations();
  tellViolations();
  current = -1;
  if (isFirst) showLanes();
  const linked = indexOf(Number(location.hash.slice(1)) - rowsBefore());
  if (isFirst && linked >= 0) {
    setFollows(false);
    return moveTo(linked, true);
  }
  const isToFollow = linked < 0 && (wasFollowing || wasLast);
  moveTo(isToFollow ? data.rows.length - 1 : indexOf(chosen - rowsBefore()), false);
  if (wasFollowing) return goToEnd();
  const again = seen === null ? -1 : indexOf(seen.number - rowsBefore());
  const top = picture.getBoundingClientRect().top + (data.rows[again]?.top ?? 0);
  if (again >= 0) scrollBy(0, top - seen.y);
  setFollows(false);
}

function forget() {
  for (const name of ['rows', 'standings', 'violations']) data[name].length = 0;
  for (const name of ['violated', 'lanes', 'arrows', 'turns']) byId(name).replaceChildren();
}

function putPart(name, text) {
  if (name === 'before') data.before = Number(text);
  else if (name === 'title') byId('title').textContent = document.title = text;
  else if (name in marks) byId(marks[name]).innerHTML = text;
  else if (['top', 'heads', 'legend'].includes(name)) byId(name).innerHTML = text;
  else if (name === 'width') {
    for (const id of ['top', 'heads', 'rows', 'cursor']) byId(id).setAttribute('width', text);
  } else if (name === 'legendWidth') byId('legend').setAttribute('width', text);
  for (const [id, height] of Object.entries(heights)) {
    if (name === height) byId(id).setAttribute('height', text);
  }
  if (['style', 'news', 'bad', 'notice'].includes(name)) byId(name).textContent = text;
}

function putList(name, { length, items }) {
  const list = data[name];
  const layer = list === undefined ? byId(name) : null;
  if (layer === null) {
    for (const [place, item] of items) list[place] = item;
    list.length = length;
    return;
  }
  while (layer.childElementCount > length) layer.lastElementChild.remove();
  const before = layer.childElementCount;
  for (const [place, svg] of items) if (place < before) layer.children[place].innerHTML = svg;
  const added = items.filter(([place]) => place >= before).map(([, svg]) => '<g>' + svg + '</g>');
  layer.insertAdjacentHTML('beforeend', added.join(''));
}

function tellViolations() {
  const count = violations.length;
  byId('violations').hidden = count === 0;
  byId('wrong').textContent =
    count === 1 ? 'An invariant is violated' : count + ' invariants are violated';
}

const events = new EventSource('events');
events.addEventListener('open', () => { byId('connection').textContent = ''; });
events.addEventListener('error', () => {
  byId('connection').textContent = 'The server does not answer: trying again \\u2026';
});
events.addEventListener('changes', (event) => take(JSON.parse(event.data), false));
events.addEventListener('everything', (event) => take(JSON.parse(event.data), true));
events.addEventListener('end', (event) => {
  events.close();
  byId('connection').textContent = JSON.parse(event.data);
});
addEventListener('scroll', () => setFollows(isAtEnd()));
newest.addEventListener('click', (event) => {
  event.preventDefault();
  goToEnd();
});
`;
