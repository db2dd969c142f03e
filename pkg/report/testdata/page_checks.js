() => {
  // Checks of the page in the window, each a list of what is wrong.
  const where = (e) => (e.id ? '#' + e.id : e.tagName.toLowerCase() + '.' + (e.getAttribute('class') || '')) + ' "' + e.textContent.trim().slice(0, 40) + '"';
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [0, 1, 2].map((i) => [r, g, b][i] * a + below[i] * (1 - a));
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) layers.push(rgba(getComputedStyle(n).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const shown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.closest('.unseen, .skip');

  return {
    // Text against what is behind it: 4.5, large text 3.
    contrast() {
      const found = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      let texts = 0;
      for (let n = walker.nextNode(); n; n = walker.nextNode()) {
        const e = n.parentElement;
        if (!n.data.trim() || !shown(e) || e.closest('script, style, title, desc')) continue;
        texts++;
        const style = getComputedStyle(e);
        const behind = ground(e);
        const ink = over(rgba(e instanceof SVGElement ? style.fill : style.color), behind);
        const size = parseFloat(style.fontSize);
        const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
        const got = ratio(ink, behind);
        if (got < least) found.push({ What: got.toFixed(2) + ' is less than ' + least, Where: where(e) });
      }
      if (texts < 20) found.push({ What: 'only ' + texts + ' texts', Where: 'page' });
      return found;
    },
    // What must be seen to understand a chart, against what is behind it: 3.
    graphics() {
      const found = [];
      for (const e of document.querySelectorAll('.chart path, .gauge rect, .gauge line, .key')) {
        if (!shown(e) || ['grid', 'track', 'halo'].includes(e.getAttribute('class'))) continue;
        const style = getComputedStyle(e);
        const behind = ground(e.closest('.sheet'));
        const colors = [];
        if (!(e instanceof SVGElement)) colors.push([style.borderTopWidth !== '0px' ? style.borderTopColor : style.backgroundColor, 1]);
        else {
          if (style.fill !== 'none' && e.tagName !== 'line') colors.push([style.fill, style.fillOpacity]);
          if (style.stroke !== 'none') colors.push([style.stroke, style.strokeOpacity]);
        }
        const got = Math.max(...colors.map(([color, opacity]) => {
          const [r, g, b, a] = rgba(color);
          return ratio(over([r, g, b, a * opacity], behind), behind);
        }));
        if (got < 3) found.push({ What: got.toFixed(2) + ' is less than 3', Where: where(e) });
      }
      return found;
    },
    // The page never scrolls sideways; only tables do, inside.
    width() {
      const page = document.documentElement;
      const found = page.scrollWidth > page.clientWidth ? [{ What: page.scrollWidth + ' of ' + page.clientWidth + ' pixels', Where: 'page' }] : [];
      for (const e of document.querySelectorAll('body *')) {
        if (!shown(e) || e.closest('.scroll') || e.closest('svg')) continue;
        const box = e.getBoundingClientRect();
        if (box.right > page.clientWidth + 1 || box.left < -1) found.push({ What: 'reaches from ' + box.left + ' to ' + box.right, Where: where(e) });
      }
      return found;
    },
    ids() {
      const seen = new Set();
      const found = [];
      for (const e of document.querySelectorAll('[id]')) {
        if (seen.has(e.id)) found.push({ What: 'is there twice', Where: e.id });
        seen.add(e.id);
      }
      for (const e of document.querySelectorAll('[aria-labelledby], [data-copy]')) {
        for (const id of (e.getAttribute('aria-labelledby') || e.dataset.copy).split(' ')) {
          if (!seen.has(id)) found.push({ What: 'is not there', Where: id });
        }
      }
      return found;
    },
    headings() {
      const found = [];
      let last = 0;
      for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
        const level = Number(h.tagName[1]);
        if (level > last + 1) found.push({ What: 'comes after level ' + last, Where: where(h) });
        last = level;
      }
      if (document.querySelectorAll('h1').length !== 1) found.push({ What: 'not one h1', Where: 'page' });
      return found;
    },
    // Of each chart one size is shown, and nothing is cut off by its box.
    hidden() {
      const found = [];
      for (const wide of document.querySelectorAll('.chart.wide')) {
        const narrow = wide.parentElement.querySelector('.chart.narrow');
        if (shown(wide) === shown(narrow)) found.push({ What: 'both sizes or none are shown', Where: where(wide.parentElement) });
      }
      for (const t of document.querySelectorAll('.chart text')) {
        const chart = t.closest('svg');
        if (!shown(chart)) continue;
        const [a, b] = [t.getBoundingClientRect(), chart.getBoundingClientRect()];
        const room = 12;
        if (a.left < b.left - room || a.right > b.right + room) found.push({ What: 'a label hangs out', Where: t.textContent });
      }
      for (const chart of document.querySelectorAll('.chart')) {
        if (!shown(chart)) continue;
        const labels = [...chart.querySelectorAll('text.middle')].map((t) => [t.getBoundingClientRect(), t.textContent]);
        labels.forEach(([box, text], i) => {
          if (i > 0 && labels[i - 1][0].right + 4 > box.left) found.push({ What: 'labels overlap', Where: labels[i - 1][1] + ' and ' + text });
        });
      }
      for (const t of document.querySelectorAll('.chart .mark-text')) {
        const chart = t.closest('svg');
        if (!shown(chart)) continue;
        const [a, b] = [t.getBoundingClientRect(), chart.getBoundingClientRect()];
        if (a.top < b.top || a.left < b.left || a.right > b.right + 1) found.push({ What: 'the name of the line hangs out', Where: t.textContent });
      }
      return found;
    },
    // The bars of a mail, which are cells: against what is behind them 3, and as wide as they say.
    bars() {
      const found = [];
      const bars = [...document.querySelectorAll('td[height="14"][bgcolor]:not(.track)')];
      if (bars.length === 0) found.push({ What: 'no bar', Where: 'mail' });
      for (const e of bars) {
        const got = ratio(ground(e).slice(0, 3), ground(e.closest('table')).slice(0, 3));
        if (got < 3) found.push({ What: got.toFixed(2) + ' is less than 3', Where: e.getAttribute('bgcolor') });
        const share = 100 * e.getBoundingClientRect().width / e.closest('table').getBoundingClientRect().width;
        if (Math.abs(share - parseInt(e.getAttribute('width'), 10)) > 2) found.push({ What: share.toFixed(0) + ' % wide', Where: e.getAttribute('width') });
      }
      return found;
    },
    // The meters' colours are told apart by everybody: seen with each kind of colour blindness
    // (matrices of Machado, Oliveira and Fernandes, 2009, full severity) any two of them are at
    // least 15 apart in CIE L*a*b*.
    colors() {
      const kinds = {
        none: [1, 0, 0, 0, 1, 0, 0, 0, 1],
        protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
        deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
        tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
      };
      const lab = ([r, g, b]) => {
        const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
        const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
        const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
      };
      const found = [];
      const keys = [...document.querySelectorAll('#months .key')].filter((k) => /total|meter/.test(k.className));
      if (keys.length > 0 && keys.length < 4) found.push({ What: 'only ' + keys.length + ' colours', Where: 'legend' });
      for (const [kind, m] of Object.entries(kinds)) {
        const seen = keys.map((k) => {
          const c = rgba(getComputedStyle(k).backgroundColor).slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return lab([0, 3, 6].map((i) => Math.min(1, Math.max(0, m[i] * c[0] + m[i + 1] * c[1] + m[i + 2] * c[2]))));
        });
        seen.forEach((a, i) => seen.slice(0, i).forEach((b, j) => {
          const apart = Math.hypot(...a.map((v, n) => v - b[n]));
          if (apart < 15) found.push({ What: apart.toFixed(0) + ' apart with ' + kind, Where: keys[j].className + ' and ' + keys[i].className });
        }));
      }
      return found;
    },
  };
}
