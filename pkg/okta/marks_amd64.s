#include "textflag.h"

// SPREAD fills Y, of which X is the lower half, with a byte.
#define SPREAD(BYTE, X, Y) \
	MOVL $BYTE, AX; \
	MOVQ AX, X; \
	VPBROADCASTB X, Y

// COLLECT makes R the mask of the bytes that are all ones in Y2 and Y3. It uses R8.
#define COLLECT(R) \
	VPMOVMSKB Y2, R; \
	VPMOVMSKB Y3, R8; \
	SHLQ $32, R8; \
	ORQ R8, R

// EQUAL makes R the mask of the bytes of A and B that are the byte in Y. It uses R8.
#define EQUAL(Y, A, B, R) \
	VPCMPEQB A, Y, Y2; \
	VPCMPEQB B, Y, Y3; \
	COLLECT(R)

// The fields of marks.
#define STOPS(R) 0(R)
#define COLONS(R) 8(R)
#define WRONG(R) 16(R)
#define WRONG_IN_OBJECT(R) 24(R)
#define VALUES(R) 32(R)
#define ESCAPES(R) 40(R)

// func markAVX2(out *marks, src *byte, n int, k *marker)
//
// Frame: 0 to 31 the elements of the marker, 32 the block's backslashes.
TEXT ·markAVX2(SB), NOSPLIT, $40-32
	MOVQ out+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ k+24(FP), BX
	MOVQ 0(BX), AX
	MOVQ AX, 0(SP)
	MOVQ 8(BX), AX
	MOVQ AX, 8(SP)
	MOVQ 16(BX), AX
	MOVQ AX, 16(SP)
	MOVQ 24(BX), AX
	MOVQ AX, 24(SP)
	SPREAD(0x22, X6, Y6)   // "
	SPREAD(0x5c, X7, Y7)   // backslash
	SPREAD(0x7b, X8, Y8)   // {, and [ with bit 0x20 set
	SPREAD(0x7d, X9, Y9)   // }, and ] with bit 0x20 set
	SPREAD(0x3a, X10, Y10) // :
	SPREAD(0x2c, X11, Y11) // ,
	SPREAD(0x0a, X12, Y12) // newline
	SPREAD(0x20, X13, Y13)
	SPREAD(0x1f, X14, Y14) // the last control character
	VPCMPEQB X15, X15, X15 // all ones

block:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	EQUAL(Y6, Y0, Y1, R10) // R10: quotes
	EQUAL(Y7, Y0, Y1, AX)  // AX: backslashes
	MOVQ $0, ESCAPES(DI)
	MOVQ AX, 32(SP)
	MOVQ AX, R8
	ORQ 24(SP), R8
	JNZ escapes

strings:
	VMOVQ R10, X2
	VPCLMULQDQ $0, X15, X2, X2
	VMOVQ X2, R9
	XORQ 0(SP), R9 // R9: inside strings, with the opening quote
	LEAQ (R9)(R9*1), R8
	SARQ $63, R8
	MOVQ R8, 0(SP)      // the byte before the next block's first is bit 62
	ANDNQ R10, R9, R11  // R11: closing quotes
	ANDQ R9, R10        // R10: opening quotes

	VPMINUB Y14, Y0, Y2 // a byte is a control character where it is the smaller one
	VPMINUB Y14, Y1, Y3
	VPCMPEQB Y0, Y2, Y2
	VPCMPEQB Y1, Y3, Y3
	COLLECT(R12)
	ANDQ R9, R12 // R12: wrong; control characters in strings

	VPOR Y13, Y0, Y4
	VPOR Y13, Y1, Y5
	EQUAL(Y8, Y4, Y5, BX)
	ANDNQ BX, R9, BX   // BX: opening brackets
	EQUAL(Y9, Y4, Y5, DX)
	ANDNQ DX, R9, DX   // DX: closing brackets
	EQUAL(Y10, Y0, Y1, R13)
	ANDNQ R13, R9, R13 // R13: colons
	EQUAL(Y11, Y0, Y1, R15)
	ANDNQ R15, R9, R15 // R15: commas
	EQUAL(Y12, Y0, Y1, R14) // R14: newlines
	MOVQ R13, COLONS(DI)

	// AX: what is neither of all these.
	MOVQ R9, AX
	ORQ R11, AX
	ORQ BX, AX
	ORQ DX, AX
	ORQ R13, AX
	ORQ R15, AX
	ORQ R14, AX
	NOTQ AX

	MOVQ BX, R8
	ORQ DX, R8
	ORQ R14, R8
	ANDQ $~1, R8
	MOVQ R8, STOPS(DI)

	// What comes after a value: commas do, and closing brackets do or come after an opening one.
	MOVQ AX, R8
	ORQ R11, R8
	ORQ DX, R8
	ADDQ R8, R8
	ANDNQ R15, R8, R11
	ORQ R11, R12
	LEAQ (BX)(BX*1), R11
	ORQ R8, R11
	ANDNQ DX, R11, R11
	ORQ R11, R12

	// A newline comes after a closing bracket or a newline.
	ORQ R14, DX
	ADDQ DX, DX
	ANDNQ R14, DX, DX
	ORQ DX, R12

	// R8: values begin where plain bytes do.
	LEAQ (AX)(AX*1), R8
	ANDNQ AX, R8, R8
	ANDQ $~1, R8
	MOVQ R8, VALUES(DI)

	// AX: after an opening bracket or a comma; strings there may be names.
	MOVQ BX, AX
	ORQ R15, AX
	ADDQ AX, AX
	MOVQ R10, R11
	ANDQ AX, R11
	ORQ 8(SP), R11
	ADDQ R9, R11       // R11: the ones have run to the ends
	ANDNQ R9, R11, DX  // DX: in such strings
	ANDNQ R11, R9, R11 // R11: their closing quotes
	MOVQ DX, R9
	ANDQ 32(SP), R9
	ORQ R9, R12        // a backslash in a name is left to the scanner
	SHRQ $63, DX
	MOVQ DX, 8(SP)
	ORQ 16(SP), R11
	MOVQ R11, R9
	SHRQ $63, R9
	MOVQ R9, 16(SP)
	ADDQ R11, R11      // R11: behind such strings

	// Colons come there, and in objects nothing else does.
	ANDNQ R13, R11, R9
	ORQ R9, R12
	ANDNQ R11, R13, R9

	// In objects a string comes after the opening bracket and after a comma.
	MOVQ R8, DX
	ORQ BX, DX
	ANDQ AX, DX
	ORQ DX, R9
	MOVQ R9, WRONG_IN_OBJECT(DI)

	// Values begin after an opening bracket, a colon or a comma; objects on a new line, too.
	ADDQ R13, R13
	ORQ R13, AX
	ORQ R8, R10
	ANDNQ R10, AX, R10
	ORQ R10, R12
	ADDQ R14, R14
	ORQ R14, AX
	ANDNQ BX, AX, BX
	ORQ BX, R12
	MOVQ R12, WRONG(DI)

	ADDQ $63, SI
	ADDQ $48, DI
	DECQ CX
	JNZ block

	MOVQ k+24(FP), BX
	MOVQ 0(SP), AX
	MOVQ AX, 0(BX)
	MOVQ 8(SP), AX
	MOVQ AX, 8(BX)
	MOVQ 16(SP), AX
	MOVQ AX, 16(BX)
	MOVQ 24(SP), AX
	MOVQ AX, 24(BX)
	VZEROUPPER
	RET

	// In a run of backslashes every other one is escaped, from the second on. Taking what follows
	// a backslash from the odd places lets a borrow run through the others, which tells runs that
	// begin at even places from those that begin at odd ones.
	// AX: backslashes. 24(SP): 1 if the first byte is escaped.
escapes:
	MOVQ 24(SP), R9
	ANDNQ AX, R9, R11 // R11: backslashes that are not escaped by the block before
	LEAQ (R11)(R11*1), R8
	MOVQ $0xaaaaaaaaaaaaaaaa, R12
	ORQ R12, R8
	SUBQ R11, R8
	XORQ R12, R8      // R8: escaped bytes and the backslashes that escape
	ORQ AX, R9
	XORQ R8, R9       // R9: escaped bytes
	ANDQ AX, R8       // R8: the backslashes that escape
	ANDNQ R10, R9, R10
	SHRQ $63, R9
	MOVQ R9, 24(SP)
	ANDQ $~1, R8
	MOVQ R8, ESCAPES(DI)
	JMP strings
