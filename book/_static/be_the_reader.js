/* Be the reader: simulated nodules, scored 1 to 5, beside their four LIDC readers (be_the_reader_data.js). */
(() => {
  const { picture, hu, spacing, mm, ratings, label } = BE_THE_READER;
  const N = label.length, SIDE = 128, BORDER = 3, DRAWS = 1000;
  const SIZES = { "all sizes": [0, Infinity], "below 8 mm": [0, 8], "8 to 15 mm": [8, 15], "from 15 mm": [15, Infinity] };
  const root = document.getElementById("be_the_reader"), find = (selector) => root.querySelector(selector);
  const every = label.map((_, i) => i), mine = Array(N).fill(0), sheet = new Image();
  let shown = 0, grey = null;

  // --- Scores ---------------------------------------------------------------------------------

  /* Cohen's kappa of pairs of scores 1 to 5 with quadratic weights; NaN where only one score occurs. */
  function kappa(pairs) {
    const rows = Array(6).fill(0), columns = Array(6).fill(0);
    let apart = 0, chance = 0;
    for (const [a, b] of pairs) {
      rows[a]++;
      columns[b]++;
      apart += (a - b) ** 2;
    }
    rows.forEach((r, a) => columns.forEach((c, b) => (chance += r * c * (a - b) ** 2)));
    return 1 - (apart * pairs.length) / chance;
  }

  const withReaders = (cases) => cases.flatMap((i) => ratings[i].map((score) => [mine[i], score]));
  const against = (i, one) => ratings[i].filter((_, k) => k !== one).map((score) => [ratings[i][one], score]);
  const amongReaders = (cases) => cases.flatMap((i) => ratings[i].flatMap((_, one) => against(i, one)));

  function kappaInterval(cases) {
    const random = generator(1), draw = () => cases[Math.floor(random() * cases.length)];
    return interval(Array.from({ length: DRAWS }, () => kappa(withReaders(cases.map(draw)))));
  }

  /* One reader drawn for each nodule, against the other three: what a reader could have. */
  function drawnReaders() {
    const random = generator(2);
    return Array.from({ length: DRAWS }, () =>
      kappa(every.flatMap((i) => against(i, Math.floor(random() * ratings[i].length)))));
  }

  // --- The image ------------------------------------------------------------------------------

  function paint() {
    const level = +find("[name=level]").value, width = +find("[name=width]").value;
    const canvas = find("canvas"), context = canvas.getContext("2d");
    const image = context.createImageData(SIDE, SIDE), start = 4 * shown * SIDE * SIDE;
    for (let k = 0; k < image.data.length; k += 4) {
      const value = hu[0] + (grey[start + k] / 255) * (hu[1] - hu[0]);
      image.data.fill(255 * ((value - level) / width + 0.5), k, k + 3);
      image.data[k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    find(".bar").style.width = `${(1000 / spacing[shown] / SIDE)}%`;
    find("[name=level] + output").textContent = `${level} HU`.replace("-", "−");
    find("[name=width] + output").textContent = `${width} HU`;
  }

  function show(i) {
    shown = (i + N) % N;
    const given = mine.filter(Boolean).length;
    find(".status").textContent = `Nodule ${shown + 1} of ${N}. ` +
      (mine[shown] ? `You gave ${mine[shown]}. ` : "") + `${given} of ${N} scored.`;
    find("canvas").setAttribute("aria-label", `Simulated CT window, nodule ${shown + 1} in its middle`);
    for (const button of root.querySelectorAll("[data-score]"))
      button.setAttribute("aria-pressed", +button.dataset.score === mine[shown]);
    paint();
  }

  function score(value) {
    const finished = !mine.includes(0);
    mine[shown] = value;
    const next = every.map((k) => (shown + 1 + k) % N).find((i) => !mine[i]);
    show(next ?? shown);
    if (next !== undefined) return;
    report();
    if (!finished) find(".result").scrollIntoView();
  }

  // --- The result -----------------------------------------------------------------------------

  const two = (value) => (Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : "–");
  const side = (value) => (value > BORDER ? "malignant" : "benign");
  const fill = (name, rows) => (find(`.${name} tbody`).innerHTML = rows.map((row) => `<tr><td>${row.join("<td>")}`).join(""));
  const count = (test) => every.filter(test).length;

  function report() {
    const own = kappa(withReaders(every)), drawn = drawnReaders();
    fill("sizes", Object.entries(SIZES).map(([name, [from, to]]) => {
      const cases = every.filter((i) => mm[i] >= from && mm[i] < to);
      const ends = kappaInterval(cases).map(two).join(", ");
      return [name, cases.length, `${two(kappa(withReaders(cases)))} <small>[${ends}]</small>`, two(kappa(amongReaders(cases)))];
    }));
    const low = Math.floor(20 * Math.min(own, ...drawn)), high = Math.floor(20 * Math.max(own, ...drawn));
    const bins = Array.from({ length: high - low + 1 }, (_, k) => drawn.filter((value) => Math.floor(20 * value) === low + k).length);
    find(".bars").innerHTML = bins.map((n, k) =>
      `<i style="height: ${(100 * n) / Math.max(...bins)}%" ${Math.floor(20 * own) === low + k ? 'class="own"' : ""}></i>`).join("");
    find(".ends").innerHTML = `<span>${two(low / 20)}</span><span>weighted kappa</span><span>${two((high + 1) / 20)}</span>`;
    find(".place").textContent = `Yours is ${two(own)}. Of ${DRAWS} readers drawn, ` +
      `${Math.round((100 * drawn.filter((value) => value < own).length) / DRAWS)} % agree less with the others than you do.`;
    find(".rule").textContent = `${count((i) => side(mine[i]) === side(label[i]))} of your ${N} scores fall on the label's side. ` +
      `On ${count((i) => side(Math.min(...ratings[i])) !== side(Math.max(...ratings[i])))} nodules the four readers themselves fall on both sides.`;
    fill("cases", every.map((i) => {
      const mean = ratings[i].reduce((a, b) => a + b) / ratings[i].length;
      const differs = side(mine[i]) === side(label[i]) ? "" : " ≠";
      return [`<button data-show="${i}">${i + 1}</button>`, mm[i].toFixed(1), `<b>${mine[i]}</b>${differs}`,
        ratings[i].join(" "), `${mean.toFixed(2)} → ${label[i]}`, side(label[i])];
    }));
    find(".result").hidden = false;
  }

  // --- What one can do --------------------------------------------------------------------------

  function setWindow(level, width) {
    find("[name=level]").value = level;
    find("[name=width]").value = width;
    paint();
  }

  root.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const { score: value, step, window: preset, show: row } = button.dataset;
    if (value) score(+value);
    if (step) show(shown + +step);
    if (preset) setWindow(...preset.split(" "));
    if (row) {
      show(+row);
      root.scrollIntoView();
    }
  });
  root.addEventListener("input", paint);
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target !== document.body && !root.contains(event.target);
    if (elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[1-5]$/.test(event.key)) score(+event.key);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.target.type !== "range") show(shown + step);
  });

  sheet.src = picture;
  sheet.decode().then(() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [SIDE, SIDE * N];
    const context = canvas.getContext("2d");
    context.drawImage(sheet, 0, 0);
    grey = context.getImageData(0, 0, SIDE, SIDE * N).data;
    root.hidden = false;
    show(0);
  });
})();
