'use strict';
(() => {
  const every = 15000;
  const quiet = 300000; // between two numbers that are read out, so that a busy day does not talk all the time
  const announce = document.getElementById('announce');

  // Copying: as tab-separated values with plain numbers, which every spreadsheet takes.
  const plain = (cell) => {
    const text = cell.textContent.trim();
    return /^-?\d{1,3}(,\d{3})+$/.test(text) ? text.replaceAll(',', '') : text;
  };
  const values = (table) => [...table.rows]
    .map((row) => [...row.cells].filter((c) => !c.classList.contains('bar')).map(plain).join('\t')).join('\n');
  const copyOld = (text) => {
    const box = document.createElement('textarea');
    box.value = text;
    box.className = 'unseen';
    box.setAttribute('aria-hidden', 'true');
    document.body.append(box);
    box.select();
    let done = false;
    try { done = document.execCommand('copy'); } catch { done = false; }
    box.remove();
    return done;
  };
  const copy = async (button) => {
    const table = document.getElementById(button.dataset.copy);
    const says = button.parentElement.querySelector('[role=status]');
    const text = values(table);
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = copyOld(text);
      button.focus();
    }
    if (!done) getSelection().selectAllChildren(table);
    says.textContent = '';
    await new Promise((done) => { setTimeout(done, 100); }); // a screen reader reads the same words again only when they were gone
    says.textContent = done ? 'Copied.' : 'The browser does not allow it. The table is selected: copy it with Ctrl+C or ⌘C.';
  };
  const showTools = (root) => {
    for (const button of root.querySelectorAll('button[data-copy]')) button.hidden = false;
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-copy]');
    if (button) copy(button);
  });

  // Live numbers: the page asks for itself and takes over the parts that say something else.
  const parts = new Map();
  for (const part of document.querySelectorAll('[data-part]')) parts.set(part.id, part.cloneNode(true));
  showTools(document);
  if (!('live' in document.documentElement.dataset)) return;

  const live = document.getElementById('live');
  const show = (state, text) => {
    live.hidden = false;
    live.className = 'live ' + state;
    live.textContent = text;
  };
  const time = (date) => date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  let tag = '';
  let updated = new Date();
  let announced = 0;
  let failed = false;
  let timer = 0;
  let asking = null;

  const focusables = (root) => [...root.querySelectorAll('a[href], button, summary, [tabindex]')];
  const swap = (old, fresh) => {
    const within = focusables(old).indexOf(document.activeElement);
    const scrolls = [...old.querySelectorAll('.scroll')].map((s) => s.scrollLeft);
    for (const open of old.querySelectorAll('details[open]')) {
      const again = fresh.querySelector('#' + open.id);
      if (again) again.open = true;
    }
    const before = new Map([...old.querySelectorAll('[data-key]')].map((n) => [n.dataset.key, n.textContent]));
    old.replaceWith(fresh);
    showTools(fresh);
    [...fresh.querySelectorAll('.scroll')].forEach((s, i) => { s.scrollLeft = scrolls[i] || 0; });
    for (const n of fresh.querySelectorAll('[data-key]')) {
      if (before.get(n.dataset.key) !== n.textContent) n.classList.add('changed');
    }
    if (within >= 0) (focusables(fresh)[within] || document.getElementById('main')).focus({ preventScroll: true });
  };
  // What is being read stays where it is when parts above it grow or shrink.
  const holding = (change) => {
    const read = scrollY > 0 && [...parts.keys()].map((id) => document.getElementById(id)).find((e) => e && e.getBoundingClientRect().bottom > 0);
    const top = read ? read.getBoundingClientRect().top : 0;
    change();
    const now = read && document.getElementById(read.id);
    if (now) scrollBy({ top: now.getBoundingClientRect().top - top, behavior: 'instant' });
  };
  const take = (page) => {
    const main = document.getElementById('main');
    const next = [...page.querySelectorAll('[data-part]')];
    if (next.length === 0) throw new Error('not the page');
    const said = parts.get('summary').dataset.announce;
    for (const part of next) {
      const known = parts.get(part.id);
      const fresh = document.importNode(part, true);
      parts.set(part.id, part.cloneNode(true));
      if (!known) {
        const at = next.indexOf(part);
        const after = at > 0 ? document.getElementById(next[at - 1].id) : null;
        if (after) after.after(fresh); else main.prepend(fresh);
        showTools(fresh);
      } else if (!known.isEqualNode(part)) {
        swap(document.getElementById(part.id), fresh);
      }
    }
    for (const id of parts.keys()) {
      if (!next.some((part) => part.id === id)) {
        document.getElementById(id).remove();
        parts.delete(id);
      }
    }
    document.title = page.title;
    document.getElementById('counted').replaceChildren(...[...document.importNode(page.getElementById('counted'), true).childNodes].filter((n) => n.id !== 'reload'));
    const says = parts.get('summary').dataset.announce;
    if (says !== said && Date.now() - announced >= quiet) {
      announce.textContent = says;
      announced = Date.now();
    }
  };
  const answered = (ask) => {
    if (ask.status === 200 && ask.response) {
      holding(() => take(ask.response));
      tag = ask.getResponseHeader('ETag') || '';
    } else if (ask.status !== 304) {
      throw new Error('status ' + ask.status);
    }
    updated = new Date();
    if (failed) announce.textContent = 'The numbers are refreshed again.';
    failed = false;
    show('', 'Live, updated ' + time(updated));
  };
  const notAnswered = () => {
    if (!failed) announce.textContent = 'The numbers could not be refreshed.';
    failed = true;
    show('off', 'Not updated since ' + time(updated) + '; trying again');
  };
  const poll = () => {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    const ask = asking = new XMLHttpRequest();
    ask.onloadend = () => {
      asking = null;
      try { answered(ask); } catch { notAnswered(); }
      if (!document.hidden) timer = setTimeout(poll, every);
    };
    ask.open('GET', location.href.split('#')[0]);
    ask.responseType = 'document';
    ask.timeout = every;
    if (tag) ask.setRequestHeader('If-None-Match', tag);
    ask.send();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      clearTimeout(timer);
      show('paused', 'Paused, updated ' + time(updated));
    } else {
      poll();
    }
  });
  const reload = document.getElementById('reload');
  if (reload) reload.remove();
  show('', 'Live, updated ' + time(updated));
  if (document.hidden) show('paused', 'Paused, updated ' + time(updated));
  timer = setTimeout(poll, every);
})();
