export type Column = {
	id: string;
	label: string;
	/** To the right, in figures of one width. */
	isNumber?: boolean;
	isSortable?: boolean;
	width?: string;
};

export type Sort = { id: string; isDescending: boolean };
