// Looks at an opened report as a reader would, with everything unfolded, and
// returns what is wrong with it.
(() => {
  const problems = [];
  const width = document.documentElement.clientWidth;
  document.querySelectorAll("details").forEach(d => { d.open = true; });

  if (document.documentElement.scrollWidth > innerWidth) {
    problems.push(`the page is wider than the screen: ${document.documentElement.scrollWidth} of ${innerWidth} pixels`);
  }
  const sideways = e => e.closest(".scroll") !== null; // scrolls by itself
  for (const e of document.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1) && !sideways(e)) {
      problems.push(`${e.tagName} ${e.className.baseVal ?? e.className} reaches from ${box.left} to ${box.right}`);
    }
  }

  const painted = e => {
    const style = getComputedStyle(e);
    return style.stroke !== "none" || style.fill !== "none";
  };
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  let plots = 0, least = Infinity;
  for (const figure of document.querySelectorAll("figure")) {
    const shown = [...figure.querySelectorAll(".plot svg")].filter(s => s.getBoundingClientRect().width > 0);
    if (shown.length !== 1) {
      problems.push(`${figure.id}: ${shown.length} plots are shown`);
      continue;
    }
    plots++;
    const svg = shown[0], frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    if (svg.querySelector("title") === null || svg.querySelector("desc") === null) {
      problems.push(`${figure.id}: it has no title or description`);
    }
    // Lines, dots and bars, not the frame around them.
    const drawn = [...svg.querySelectorAll("path, circle")].filter(e => {
      const box = e.getBoundingClientRect();
      return (box.width > 1 || box.height > 1) && painted(e) && !e.matches(".grid, .axis, .track, .back, .limit");
    });
    if (drawn.length === 0) {
      problems.push(`${figure.id}: nothing is drawn`);
    }
    const texts = [...svg.querySelectorAll("text")].map(t => ({ t, box: t.getBoundingClientRect() }));
    texts.forEach(({ t, box }, i) => {
      least = Math.min(least, parseFloat(getComputedStyle(t).fontSize) * scale);
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) {
        problems.push(`${figure.id}: "${t.textContent}" leaves the plot`);
      }
      for (const other of texts.slice(i + 1)) {
        if (!apart(box, other.box)) {
          problems.push(`${figure.id}: "${t.textContent}" and "${other.t.textContent}" overlap`);
        }
      }
    });
  }
  return { problems, plots, least: least === Infinity ? 0 : least };
})()
