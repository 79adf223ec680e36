/**
 * The script of a diagram's page: a cursor that a mouse or the keys j and k move, and a panel that
 * says what every server has at that row. It is plain text here, since it runs in a browser as
 * it stands, as a module. All that it shows it puts there as text, never as markup.
 */
export const PAGE_SCRIPT = `const data = JSON.parse(document.getElementById('data').textContent);
const picture = document.getElementById('rows');
const cursor = document.getElementById('cursor');
const heads = document.getElementById('heads');
let violations = shownViolations();
let current = -1;
let touched = [];
/** A row that was clicked stays, wherever the mouse goes. */
let isPinned = false;
/** The page of a run that is still going on follows its end instead. */
const isStill = document.getElementById('newest') === null;
let mouseY = null;

function shownViolations() {
  return data.violations.filter((it) => indexOf(it.row) >= 0);
}

/** So many rows of the run were before the first one here. */
function rowsBefore() {
  return data.before ?? 0;
}

/** -1: there is no such row in the picture. */
function indexOf(number) {
  return data.rows.findIndex((row) => row.number === number);
}

/** The row at this height of the picture. */
function rowAt(y) {
  let from = 0;
  let to = data.rows.length - 1;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (data.rows[middle].bottom > y) to = middle;
    else from = middle + 1;
  }
  return from;
}

function moveTo(index, isToBeSeen) {
  if (data.rows.length === 0) return;
  current = Math.max(0, Math.min(data.rows.length - 1, index));
  const row = data.rows[current];
  cursor.setAttribute('y', row.top);
  cursor.setAttribute('height', row.bottom - row.top);
  cursor.removeAttribute('visibility');
  for (const arrow of touched) arrow.classList.remove('touched');
  const ends = '[data-from="' + row.number + '"],[data-to="' + row.number + '"]';
  touched = picture.querySelectorAll(ends);
  for (const arrow of touched) arrow.classList.add('touched');
  showPanel(row);
  if (isToBeSeen) scrollTo(row);
}

function scrollTo(row) {
  const top = picture.getBoundingClientRect().top + row.top;
  const bottom = top + row.bottom - row.top;
  const aside = document.querySelector('aside').getBoundingClientRect();
  const seenFrom = heads.getBoundingClientRect().height + 20;
  const seenTo = (aside.left === 0 ? aside.top : innerHeight) - 20;
  if (top < seenFrom || bottom > seenTo) scrollBy(0, top - (seenFrom + seenTo) / 2);
}

function showPanel(row) {
  const words = row.words === '' ? '' : ': ' + row.words;
  const number = row.number + rowsBefore();
  const times = row.clock === '' ? row.time : row.time + ' \\u00b7 ' + row.clock + ' UTC';
  const where = 'row ' + number + ' \\u00b7 ' + times + ' \\u00b7 ' + row.server + words;
  document.getElementById('where').textContent = where;
  const latest = {};
  for (const standing of data.standings) {
    if (standing.row > row.number) break;
    latest[standing.server] = standing;
  }
  for (const card of document.querySelectorAll('.server')) {
    card.classList.toggle('acting', card.dataset.server === row.server);
    const standing = latest[card.dataset.server];
    for (const field of card.querySelectorAll('[data-field]')) {
      const text = standing === undefined ? '' : standing[field.dataset.field];
      field.textContent = field.dataset.field === 'lease' ? leaseOf(standing, row) : text;
    }
  }
  const wrong = violations.filter((it) => it.row === row.number);
  const text = document.getElementById('violation');
  if (text !== null) text.textContent = wrong.map((it) => it.words).join(' ');
}

function leaseOf(standing, row) {
  const leftMs = standing === undefined ? 0 : (standing.leaseUntil ?? 0) - row.at;
  return leftMs > 0 ? (leftMs / 1000).toFixed(1) + ' s left' : 'none';
}

/** The place of the row is part of the address from here on, so that it can be passed on. */
function link(index) {
  if (data.rows.length === 0) return;
  isPinned = isStill;
  moveTo(index, true);
  history.replaceState(null, '', '#' + (data.rows[current].number + rowsBefore()));
}

function jump(step) {
  const rows = violations.map((it) => indexOf(it.row));
  if (rows.length === 0) return;
  const later = rows.filter((row) => row > current);
  const earlier = rows.filter((row) => row < current);
  if (step > 0) link(later.length > 0 ? later[0] : rows[0]);
  else link(earlier.length > 0 ? earlier[earlier.length - 1] : rows[rows.length - 1]);
}

/** The rows in which an instance is over for somebody first. */
function newInstances() {
  let highest = 1;
  return data.standings.flatMap(({ row, number }) => {
    if (number <= highest) return [];
    highest = number;
    return [row];
  });
}

function jumpToMark(mark) {
  const rows = mark === 'instance'
    ? newInstances().map(indexOf).filter((index) => index >= 0)
    : data.rows.flatMap((row, index) => (row.marks.includes(mark) ? [index] : []));
  const next = rows.find((row) => row > current) ?? rows[0];
  if (next !== undefined) link(next);
}

function followAddress() {
  const index = indexOf(Number(location.hash.slice(1)) - rowsBefore());
  if (index < 0) return;
  isPinned = isStill;
  moveTo(index, true);
}

/** Hides what is not ticked: kinds of arrows, and whatever belongs to a server. */
function show() {
  const hidden = new Set();
  for (const box of document.querySelectorAll('#shown input')) {
    if (!box.checked) hidden.add(box.value);
  }
  for (const arrow of picture.querySelectorAll('.arrow')) {
    const ends = arrow.dataset.between.split(' ');
    const isHidden = hidden.has(arrow.dataset.kind) || ends.some((uid) => hidden.has(uid));
    arrow.style.display = isHidden ? 'none' : '';
  }
  for (const part of picture.querySelectorAll('[data-of], [data-lane]')) {
    const isHidden = hidden.has(part.dataset.of ?? part.dataset.lane);
    part.style.display = isHidden ? 'none' : '';
  }
}

/** What stands at the left edge of each row: as chosen. */
function showColumn() {
  const choice = document.getElementById('column')?.value ?? '';
  for (const [index, text] of picture.querySelectorAll('.time').entries()) {
    const row = data.rows[index];
    if (choice === 'number') text.textContent = row.number + rowsBefore();
    else if (choice.startsWith('time of day')) text.textContent = row.words === '' ? '' : row.clock;
    else text.textContent = row.short ?? '';
  }
}

function fold() {
  const button = document.getElementById('fold');
  const isFolded = document.body.classList.toggle('folded');
  button.textContent = isFolded ? 'unfold' : 'fold';
  button.setAttribute('aria-expanded', String(!isFolded));
}

const keys = {
  j: () => link(current + 1),
  k: () => link(current - 1),
  n: () => jump(1),
  p: () => jump(-1),
  c: () => jumpToMark('chosen'),
  i: () => jumpToMark('instance'),
  Escape: () => {
    isPinned = false;
  },
};
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const act = keys[event.key];
  if (act !== undefined) act();
});
/** Whoever has come to the rows by the tabulator moves on by the arrow keys. */
picture.parentElement.addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  link(current + step);
});
function rowOf(event) {
  return rowAt(event.clientY - picture.getBoundingClientRect().top);
}
picture.addEventListener('mousemove', (event) => {
  mouseY = event.clientY;
  if (!isPinned) moveTo(rowOf(event), false);
});
picture.addEventListener('click', (event) => {
  event.preventDefault();
  link(rowOf(event));
});
/** Who scrolls sees what belongs to the row under the mouse, or else to the first in sight. */
addEventListener('scroll', () => {
  if (!isStill || isPinned || data.rows.length === 0) return;
  const seenFrom = mouseY ?? heads.getBoundingClientRect().bottom + 20;
  moveTo(rowAt(seenFrom - picture.getBoundingClientRect().top), false);
});
for (const button of document.querySelectorAll('[data-jump]')) {
  const { jump: to } = button.dataset;
  const isMark = to === 'chosen' || to === 'instance';
  button.addEventListener('click', () => (isMark ? jumpToMark(to) : jump(Number(to))));
}
document.getElementById('shown').addEventListener('change', show);
document.addEventListener('change', ({ target }) => {
  if (target.id === 'column') showColumn();
});
document.getElementById('fold').addEventListener('click', fold);
if (innerWidth < 700) fold();
/** Where not all of the picture has room, its lanes come first. */
function showLanes() {
  const lane = heads.querySelector('rect')?.getBoundingClientRect();
  if (innerWidth < 700 && lane !== undefined) moveAcross(lane.left - innerWidth / 3);
}
/** Each part of the picture has a box of its own; all of them are scrolled sideways together. */
const boxes = [...document.querySelectorAll('.across')];
for (const box of boxes) {
  box.addEventListener('scroll', () => {
    for (const other of boxes) other.scrollLeft = box.scrollLeft;
  }, { passive: true });
}
function moveAcross(byPx) {
  for (const box of boxes) box.scrollLeft += byPx;
}
addEventListener('hashchange', followAddress);
if (data.rows.length > 0) {
  showLanes();
  const isWrong = violations.length > 0;
  isPinned = isWrong;
  moveTo(isWrong ? indexOf(violations[0].row) : 0, isWrong);
  followAddress();
}
`;
