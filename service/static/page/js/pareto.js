// Which models are worth having: plain functions of figures, no page in them.

/**
 * Return whether `a` beats `b`: nowhere worse in accuracy (more is better), latency and size
 * (less is better), and better somewhere.
 */
export function beats(a, b) {
  const nowhereWorse = a.accuracy >= b.accuracy && a.latency <= b.latency && a.size <= b.size;
  return nowhereWorse && (a.accuracy > b.accuracy || a.latency < b.latency || a.size < b.size);
}

/** Return the points that no other point beats, in their order. */
export const paretoFront = (points) => points.filter((b) => !points.some((a) => beats(a, b)));

/** Return the points at which the best accuracy for a latency rises, fastest first. */
export function staircase(points) {
  let best = -Infinity;
  return [...points]
    .sort((a, b) => a.latency - b.latency || b.accuracy - a.accuracy)
    .filter(({ accuracy }) => (accuracy > best ? ((best = accuracy), true) : false));
}

/** How accuracy may be read of a model: the share, and the number of photos that it rests on. */
export const MEASURES = {
  top1: { title: "top-1, measured", of: (q) => [q.top1, q.images] },
  published_top1: { title: "top-1, published", of: (q) => [q.published_top1, null] },
  agreement: { title: "agreement with fp32", of: (q) => [q.agreement, q.agreement_images] },
};

/** Return the models that have an accuracy by `measure` and a latency, as points. */
export function pointsOf(models, measure) {
  return models.flatMap((model) => {
    const [accuracy, images] = model.quality ? MEASURES[measure].of(model.quality) : [null];
    const latency = model.benchmark?.batch1_ms ?? model.latency_ms?.inference?.p50;
    if (accuracy === null || accuracy === undefined || !latency) return [];
    return [{ name: model.name, accuracy, latency, size: model.file_bytes, images }];
  });
}
