export type Question = {
	title: string;
	text?: string;
	/** What the button says: the deed, with its number ("Delete 128 items"). */
	action: string;
	isDanger?: boolean;
};

class Confirmation {
	question = $state<Question | null>(null);
	/** The dialog is loaded with the first question. */
	wasAsked = $state(false);
	#answer: ((isYes: boolean) => void) | null = null;

	ask(question: Question): Promise<boolean> {
		this.answer(false);
		this.question = question;
		this.wasAsked = true;
		return new Promise((resolve) => (this.#answer = resolve));
	}

	answer(isYes: boolean) {
		this.question = null;
		this.#answer?.(isYes);
		this.#answer = null;
	}
}

export const confirmation = new Confirmation();

/** Asks before what cannot be undone: `if (await confirm({…})) …`. */
export function confirm(question: Question): Promise<boolean> {
	return confirmation.ask(question);
}
