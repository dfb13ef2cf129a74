// Graphs over time, by uPlot. Several with the same `sync` share a cursor.

import "uplot/dist/uPlot.min.css";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { clock, short } from "../format";
import { language } from "../i18n";

/** A time to mark with a line. */
export interface Mark {
  at: number; // ms
  label: string;
  tone: "brand" | "warn";
}

interface Props {
  /** Times in seconds and their values, null for none. Bars are as wide as the distance of two times. */
  data: [number[], (number | null)[]];
  /** The range of time in seconds. */
  range: [number, number];
  kind: "line" | "bars";
  height: number;
  label: string;
  marks?: readonly Mark[];
  /** Whether the axis has labels. */
  times?: boolean;
  sync?: string;
}

const AXIS = 44; // px for the labels of the vertical axis
const WIDEST = 40; // the maximum width of a bar in px

/** Return a colour of the theme. */
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Graph({ data, range, kind, height, label, marks = [], times = true, sync }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const shown = useRef({ range, marks });
  shown.current = { range, marks };
  const scheme = useComputedColorScheme("light");
  const spoken = language();

  useEffect(() => {
    const element = host.current!;
    const ink = colour("--mantine-color-dimmed");
    const line = colour(kind === "line" ? "--brand" : "--series-2");
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: colour("--line"), width: 1 };
    const drawMarks = (chart: uPlot) => {
      const { ctx, bbox } = chart;
      ctx.save();
      ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
      for (const { at, label, tone } of shown.current.marks) {
        const x = chart.valToPos(at / 1000, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.strokeStyle = ctx.fillStyle = colour(`--${tone}`);
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        const right = x + ctx.measureText(label).width + 8 > bbox.left + bbox.width;
        ctx.textAlign = right ? "right" : "left";
        ctx.fillText(label, x + (right ? -4 : 4) * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
      }
      ctx.restore();
    };
    const chart = new uPlot(
      {
        width: element.clientWidth || 300,
        height,
        padding: [8, 18, times ? 0 : 4, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, ...(sync && { sync: { key: sync } }) },
        scales: {
          x: { time: true, range: () => shown.current.range },
          y: { range: (_chart, _low, high) => [0, Math.max(4, Math.ceil((high ?? 0) * 1.15))] },
        },
        axes: [
          { show: times, stroke: ink, grid, ticks: { show: false }, font, size: 24, space: 60, values: (_chart, splits) => splits.map((at) => clock(at * 1000)), incrs: [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400] },
          { stroke: ink, grid, ticks: { show: false }, font, size: AXIS, values: (_chart, splits) => splits.map((value) => (Number.isInteger(value) ? short(value) : "")) },
        ],
        series: [
          {},
          kind === "line"
            ? { stroke: line, width: 2, fill: `${line}1f`, points: { show: false }, spanGaps: false }
            : { stroke: line, fill: line, width: 0, points: { show: false }, paths: uPlot.paths.bars!({ size: [0.7, WIDEST], align: 1 }) },
        ],
        hooks: { draw: [drawMarks] },
      },
      data as uPlot.AlignedData,
      element,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [scheme, spoken, kind, height, times, sync]);

  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data, range, marks]);
  return <div ref={host} className="graph" role="img" aria-label={label} />;
}
