// What is wrong with a page for people who see little, hear it, or have no mouse; a list of sentences. The rules are the serious ones of WCAG 2.2 A and AA that can be
// decided by a program: names, labels, roles, landmarks, headings, lists, ids, language, title, contrast, reflow, what scrolls, sizes of targets.
(() => {
  const faults = [];
  const all = (s, from = document) => [...from.querySelectorAll(s)];
  const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const name = (e) => `<${e.nodeName.toLowerCase()}${e.id ? " #" + e.id.slice(0, 40) : ""}${e.className && e.className.baseVal === undefined ? " ." + String(e.className).slice(0, 40) : ""}> "${(e.textContent || "").trim().slice(0, 40)}"`;
  const fault = (rule, e) => { if (faults.length < 40) faults.push(e ? `${rule}: ${name(e)}` : rule); };

  if (!document.documentElement.lang) fault("the page has no language");
  if (!document.title.trim()) fault("the page has no title");
  for (const s of ["main", "header", "nav"]) if (all(s).length < 1) fault(`there is no ${s}`);
  if (all("main").length !== 1) fault("there is more than one main");
  if (all("h1").length !== 1) fault(`there are ${all("h1").length} h1`);
  for (const n of all("nav")) if (!n.getAttribute("aria-label")) fault("a nav has no label", n);
  let level = 0;
  for (const h of all("h1, h2, h3, h4").filter((h) => !h.closest("dialog"))) {
    const l = Number(h.nodeName[1]);
    if (l > level + 1) fault("a level of headings is left out", h);
    if (!h.textContent.trim()) fault("an empty heading", h);
    level = l;
  }
  const ids = new Map();
  for (const e of all("[id]")) ids.set(e.id, (ids.get(e.id) || 0) + 1);
  for (const [id, n] of ids) if (n > 1) fault(`the id ${id} is there ${n} times`);
  for (const a of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const e of all(`[${a}]`)) for (const id of e.getAttribute(a).split(/\s+/)) if (!document.getElementById(id)) fault(`${a} names ${id}, which is not there`, e);
  }
  const label = (e) => (e.getAttribute("aria-label") || "").trim() || (e.getAttribute("aria-labelledby") || "").split(/\s+/).map((id) => document.getElementById(id)?.textContent || "").join(" ").trim();
  for (const e of all("a[href], button, summary")) if (!label(e) && !e.textContent.trim()) fault("it has no name", e);
  for (const e of all("input:not([type=hidden]), select, textarea")) if (!label(e) && ![...(e.labels || [])].some((l) => l.textContent.trim())) fault("a field has no label", e);
  for (const e of all("svg")) {
    if (e.getAttribute("aria-hidden") === "true") continue;
    if (e.getAttribute("role") !== "img" || !label(e)) fault("a picture has neither a name nor is it hidden", e);
  }
  for (const e of all("img")) if (!e.hasAttribute("alt")) fault("an image has no alt", e);
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) fault("tabindex changes the order", e);
  for (const e of all("[aria-hidden=true] a, [aria-hidden=true] button, [aria-hidden=true] input")) fault("it is hidden and can be focused", e);
  for (const l of all("ul, ol")) for (const c of l.children) if (c.nodeName !== "LI") fault("a list contains what is no entry", c);
  for (const l of all("dl")) for (const c of l.children) if (!/^(DT|DD|DIV)$/.test(c.nodeName)) fault("a definition list contains what is none", c);
  for (const t of all("table")) if (!t.querySelector("th[scope]")) fault("a table has no heads", t);
  for (const e of all("a a, a button, button a, button button, p form, p div, p ul")) fault("it is nested where it must not be", e);
  for (const e of all("[style], [onclick], [onload], script:not([src]), style")) fault("it is inline", e);

  // Reflow: nothing but what scrolls by itself is wider than the window.
  if (document.scrollingElement.scrollWidth > innerWidth + 1) {
    const wide = all("body *").filter((e) => shown(e) && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, .top nav, svg"));
    fault(`the page is ${document.scrollingElement.scrollWidth} wide in a window of ${innerWidth}`, wide[wide.length - 1]);
  }
  for (const e of all("body *")) {
    if (!shown(e) || e.closest("svg")) continue;
    const s = getComputedStyle(e);
    const x = /auto|scroll/.test(s.overflowX) && e.scrollWidth > e.clientWidth + 1, y = /auto|scroll/.test(s.overflowY) && e.scrollHeight > e.clientHeight + 1;
    if ((x || y) && e.tabIndex < 0 && !e.querySelector("a[href], button, input")) fault("it scrolls and cannot be reached by keyboard", e);
  }
  // Targets: 24 pixels, except links in text.
  for (const e of all("button, input:not([type=hidden]), select, summary, nav a, .button")) {
    if (!shown(e)) continue;
    const b = e.getBoundingClientRect();
    if (b.height && b.height < 23.5 && e.type !== "checkbox") fault(`a target of ${Math.round(b.height)} pixels`, e);
  }

  // Contrast of text on what is behind it.
  const parse = (c) => {
    const m = c.match(/rgba?\(([^)]+)\)/);
    if (!m) return null;
    const [r, g, b, a = 1] = m[1].split(/[ ,/]+/).map(Number);
    return [r, g, b, a];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const behind = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c && c[3] > 0) layers.push(c);
      if (c && c[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => { const v = c[i] / 255; return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  let measured = 0;
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!e || seen.has(e) || !walker.currentNode.data.trim() || !shown(e) || e.closest(".hidden, .skip, title, output:empty")) continue;
    seen.add(e);
    const s = getComputedStyle(e);
    let back = behind(e);
    if (e.closest("svg")) {
      const box = e.closest("g")?.querySelector("rect");
      const fill = box && parse(getComputedStyle(box).fill);
      if (fill) back = over(fill, back);
    }
    const colour = parse(e.closest("svg") ? s.fill : s.color);
    if (!colour) continue;
    measured++;
    const size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && Number(s.fontWeight) >= 700), need = large ? 3 : 4.5;
    const got = ratio(over(colour, back), back);
    if (got < need - 0.01) fault(`a contrast of ${got.toFixed(2)}, less than ${need}`, e);
  }
  if (measured < 10) fault(`only ${measured} texts were measured`);
  return faults;
})()
