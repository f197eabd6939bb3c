/** One line of a chart: a value for each day. */
export type Series = {
	label: string;
	values: readonly number[];
	/** A value in words: "180 credits". */
	format: (value: number) => string;
};
