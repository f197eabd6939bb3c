import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series } from './series.ts';

const HEIGHT = 240;

/** Draws days against values into the box; the first series is filled. Loaded with the first chart. */
export function draw(
	box: HTMLElement,
	days: readonly string[],
	series: readonly Series[],
	onhover: (index: number | null) => void
): uPlot {
	const style = getComputedStyle(box);
	const colour = (name: string) => style.getPropertyValue(name).trim();
	const font = `11px ${style.fontFamily}`;
	const axis = {
		stroke: colour('--ink3'),
		font,
		ticks: { show: false },
		grid: { stroke: colour('--line'), width: 1 }
	};
	const strokes = [colour('--accent'), colour('--ink3')];

	return new uPlot(
		{
			width: box.clientWidth,
			height: HEIGHT,
			padding: [12, 8, 0, 0],
			legend: { show: false },
			cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
			tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
			scales: Object.fromEntries(
				series.map((_, index) => [
					`y${index}`,
					{ range: (_chart, _min, max) => [0, Math.max(4, max * 1.1)] as [number, number] }
				])
			),
			axes: [
				{ ...axis, grid: { show: false }, space: 70, size: 28, values: '{MMM} {D}' },
				...series.map((_, index) => ({
					...axis,
					scale: `y${index}`,
					side: index === 0 ? (3 as const) : (1 as const),
					grid: index === 0 ? axis.grid : { show: false },
					size: index === 0 ? 44 : 32,
					values: (_chart: uPlot, ticks: number[]) =>
						ticks.map((tick) => (Number.isInteger(tick) ? tick.toLocaleString('en') : ''))
				}))
			],
			series: [
				{},
				...series.map((one, index) => ({
					label: one.label,
					scale: `y${index}`,
					stroke: strokes[index],
					width: index === 0 ? 2 : 1.5,
					fill: index === 0 ? colour('--accent-soft') : undefined,
					points: { show: false }
				}))
			],
			hooks: { setCursor: [(chart) => onhover(chart.cursor.idx ?? null)] }
		},
		[days.map((day) => Date.parse(day) / 1000), ...series.map(({ values }) => [...values])],
		box
	);
}

export function fit(chart: uPlot, box: HTMLElement) {
	chart.setSize({ width: box.clientWidth, height: HEIGHT });
}
