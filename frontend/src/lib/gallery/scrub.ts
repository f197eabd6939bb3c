/** Months along the scrub track. */
export interface Mark {
	label: string;
	year: string;
	/** The first place of the month. */
	index: number;
}

const MONTH = new Intl.DateTimeFormat('en', { month: 'short', timeZone: 'UTC' });

/** One mark a month, in the order of the list. */
export function marksOf(days: readonly { day: string; count: number }[]): Mark[] {
	const marks: Mark[] = [];
	let index = 0;
	let month = '';
	for (const { day, count } of days) {
		if (day.slice(0, 7) !== month) {
			month = day.slice(0, 7);
			const label = `${MONTH.format(new Date(`${month}-01T00:00:00Z`))} ${day.slice(0, 4)}`;
			marks.push({ label, year: day.slice(0, 4), index });
		}
		index += count;
	}
	return marks;
}

/** The month that a place belongs to. */
export function markAt(marks: readonly Mark[], index: number): Mark | undefined {
	return marks.findLast((mark) => mark.index <= index);
}
