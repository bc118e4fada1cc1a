/* Threshold explorer: our model's recorded probabilities beside the diameter (thresholds_data.js). */
(() => {
  const { p, malignant, mm, patient } = THRESHOLDS;
  const RESAMPLES = 1000, root = document.getElementById("thresholds");
  const input = (name) => root.querySelector(`[name=${name}]`);
  const cell = (name) => root.querySelector(`[data-cell="${name}"]`);
  const percent = (share) => (100 * share).toFixed(1).replace("-", "−");
  const or = (value, text) => (Number.isFinite(value) ? text : "–");

  /* The greatest diameter that finds as many malignant nodules as the model does; none: beyond all. */
  function limitFor(cases, threshold) {
    const sick = cases.filter((i) => malignant[i]);
    const found = sick.filter((i) => p[i] >= threshold).length;
    return found ? sick.map((i) => mm[i]).sort((a, b) => b - a)[found - 1] : Infinity;
  }

  /* For each patient and rule the counts of TN, FP, FN, TP, eight numbers a row. */
  function countsByPatient(cases, flags) {
    const rows = new Map();
    for (const i of cases) {
      if (!rows.has(patient[i])) rows.set(patient[i], new Int32Array(8));
      flags.forEach((flag, rule) => rows.get(patient[i])[4 * rule + 2 * malignant[i] + flag(i)]++);
    }
    return [...rows.values()];
  }

  function add(rows) {
    const sum = new Float64Array(8);
    for (const row of rows) for (let k = 0; k < 8; k++) sum[k] += row[k];
    return sum;
  }

  function measures(counts, prevalence) {
    const [model, diameter] = [counts.subarray(0, 4), counts.subarray(4)].map(([tn, fp, fn, tp]) => {
      const sensitivity = tp / (tp + fn), specificity = tn / (tn + fp);
      const right = sensitivity * prevalence, wrong = (1 - specificity) * (1 - prevalence);
      return [sensitivity, specificity, right / (right + wrong)];
    });
    return [...model, ...diameter, ...model.map((value, k) => value - diameter[k])];
  }

  function roc(cases, score) {
    const order = [...cases].sort((a, b) => score[b] - score[a]);
    const all = order.filter((i) => malignant[i]).length;
    let hits = 0, path = "M0 100";
    order.forEach((i, k) => {
      hits += malignant[i];
      if (score[order[k + 1]] === score[i]) return;  // equal scores are one step
      path += `L${(100 * (k + 1 - hits)) / (order.length - all)} ${100 - (100 * hits) / all}`;
    });
    return all && all < order.length ? path : "";
  }

  function update() {
    const [threshold, from, to, prevalence] = ["threshold", "from", "to", "prevalence"].map((name) => +input(name).value);
    const open = to >= +input("to").max;
    const cases = p.map((_, i) => i).filter((i) => mm[i] >= from && (open || mm[i] < to));
    const limit = limitFor(cases, threshold);
    const rows = countsByPatient(cases, [(i) => +(p[i] >= threshold), (i) => +(mm[i] >= limit)]);
    const counts = add(rows), values = measures(counts, prevalence / 100), random = generator(1);
    const draws = Array.from({ length: RESAMPLES }, () =>
      measures(add(rows.map(() => rows[Math.floor(random() * rows.length)])), prevalence / 100));
    const written = { threshold: threshold.toFixed(2), from: `${from} mm`, to: open ? "no limit" : `${to} mm`, prevalence: `${prevalence} %` };
    for (const [name, text] of Object.entries(written)) input(name).nextElementSibling.textContent = text;
    values.forEach((value, k) => {
      const name = `${["model", "diameter", "difference"][Math.floor(k / 3)]} ${["sensitivity", "specificity", "PPV"][k % 3]}`;
      const ends = interval(draws.map((draw) => draw[k])).map(percent);
      cell(name).innerHTML = or(value, `${percent(value)} <small>[${ends.join(", ")}]</small>`);
    });
    ["model", "diameter"].forEach((rule, r) =>
      ["TN", "FP", "FN", "TP"].forEach((name, k) => (cell(`${rule} ${name}`).textContent = counts[4 * r + k])));
    cell("n").textContent = `${cases.length.toLocaleString("en")} nodules of ${rows.length} patients, ${counts[2] + counts[3]} of them malignant`;
    cell("threshold").textContent = threshold.toFixed(2);
    cell("limit").textContent = or(limit, `${limit.toFixed(1)} mm`);
    ["model", "diameter"].forEach((rule, r) => {
      root.querySelector(`path.${rule}`).setAttribute("d", roc(cases, r ? mm : p));
      const dot = root.querySelector(`circle.${rule}`), [sensitivity, specificity] = values.slice(3 * r);
      dot.style.display = or(sensitivity * specificity, "") && "none";
      dot.setAttribute("cx", 100 - 100 * specificity || 0);
      dot.setAttribute("cy", 100 - 100 * sensitivity || 0);
    });
  }

  root.addEventListener("input", ({ target }) => {  // the range stays a range
    if (target.name === "from") input("to").value = Math.max(+input("to").value, +target.value + 1);
    if (target.name === "to") input("from").value = Math.min(+input("from").value, +target.value - 1);
    update();
  });
  input("prevalence").value = Math.round((100 * malignant.reduce((a, b) => a + b)) / malignant.length);
  root.hidden = false;
  update();
})();
