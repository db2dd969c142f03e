#include "go_asm.h"
#include "textflag.h"

DATA quote<>+0(SB)/1, $0x22
GLOBL quote<>(SB), RODATA|NOPTR, $1
DATA backslash<>+0(SB)/1, $0x5c
GLOBL backslash<>(SB), RODATA|NOPTR, $1
DATA control<>+0(SB)/1, $0x1f // the last control character
GLOBL control<>(SB), RODATA|NOPTR, $1
DATA zero<>+0(SB)/1, $0x30
GLOBL zero<>(SB), RODATA|NOPTR, $1
DATA nine<>+0(SB)/1, $9
GLOBL nine<>(SB), RODATA|NOPTR, $1

// The fields of a wideStep.
#define TEXT_LOW(R) (R)
#define TEXT_HIGH(R) 32(R)
#define MASK_LOW(R) 64(R)
#define MASK_HIGH(R) 68(R)
#define LENGTH(R) 72(R)
#define OTHER(R) 76(R)
#define NEXT(R) 80(R)
#define NAMES(R) 84(R)
#define VALUE(R) 88(R)
#define TARGET(R) 92(R)

// The members of a target that decide, as they are found.
#define TARGET_TYPE (found_at+16*const_aTargetType)
#define TARGET_ID (found_at+16*const_aTargetID)

// func followAVX2(c *cursor)
//
// AX: where a text begins. CX: the step that is tried. R9: the names that were seen. The three
// change together, once a step and the value behind it are passed.
TEXT ·followAVX2(SB), NOSPLIT, $0-8
	VPBROADCASTB quote<>(SB), Y6
	VPBROADCASTB backslash<>(SB), Y7
	VPBROADCASTB control<>(SB), Y8
	VPBROADCASTB zero<>(SB), Y9
	VPBROADCASTB nine<>(SB), Y10
	MOVQ c+0(FP), DI
	MOVQ 0(DI), SI
	MOVQ 8(DI), DX  // the last place from which enough can be read
	MOVQ 16(DI), BX // steps
	MOVQ 24(DI), R10 // found
	MOVQ 32(DI), AX
	MOVLQZX 40(DI), CX
	MOVLQZX 44(DI), R9

text:
	CMPQ AX, DX
	JGT  done

try:
	TESTL CX, CX
	JZ    done
	MOVQ  CX, R8
	SHLQ  $7, R8
	ADDQ  BX, R8
	VMOVDQU (SI)(AX*1), Y0
	VPCMPEQB TEXT_LOW(R8), Y0, Y0
	VPMOVMSKB Y0, R11
	MOVL  MASK_LOW(R8), R12
	ANDNL R12, R11, R11 // R11: bytes that differ
	JNZ   other
	MOVL  LENGTH(R8), R14
	CMPL  R14, $32
	JLE   same
	VMOVDQU 32(SI)(AX*1), Y1
	VPCMPEQB TEXT_HIGH(R8), Y1, Y1
	VPMOVMSKB Y1, R11
	MOVL  MASK_HIGH(R8), R12
	ANDNL R12, R11, R11
	JNZ   other

same:
	MOVL  NAMES(R8), R13
	TESTL R13, R9
	JNZ   twice

once:
	ORL   R9, R13 // R13: the names that are seen then
	ADDQ  AX, R14 // R14: where the value begins
	MOVBLZX (SI)(R14*1), R11
	CMPL  R11, $0x22
	JNE   notString
	MOVQ  R14, R15      // R15: before the next bytes of the string

string:
	VMOVDQU 1(SI)(R15*1), Y0
	VPCMPEQB Y6, Y0, Y1
	VPMOVMSKB Y1, R11   // R11: quotes; all that follows waits for where the first one is, and for nothing else
	VPCMPEQB Y7, Y0, Y2
	VPMINUB Y8, Y0, Y3 // a byte is a control character where it is the smaller one
	VPCMPEQB Y0, Y3, Y3
	VPOR  Y2, Y3, Y3
	VPMOVMSKB Y3, R12   // R12: what is not for this loop
	TZCNTL R11, DI
	JCS   longer
	BLSMSKL R11, R11    // R11: the bytes up to the first quote
	TESTL R12, R11
	JNZ   done
	LEAQ  2(R15)(DI*1), R15

passed:
	MOVLQZX VALUE(R8), R12
	SHLQ  $4, R12
	MOVQ  R14, found_at(R10)(R12*1)
	MOVQ  R15, (found_at+8)(R10)(R12*1)
	MOVQ  R13, R9
	MOVQ  R15, AX
	MOVLQZX NEXT(R8), CX
	JMP   text

longer:
	TESTL R12, R12
	JNZ   done
	ADDQ  $32, R15
	CMPQ  R15, DX
	JLE   string
	JMP   done

other:
	MOVLQZX OTHER(R8), CX
	JMP   try

twice: // a name, or alone
	CMPL  TARGET(R8), $0
	JEQ   done

	// As found.nextTarget does. When the value is not for here it is done again, which changes nothing.
	CMPQ  TARGET_TYPE(R10), $0
	JEQ   first
	MOVQ  found_count(R10), R12
	CMPQ  R12, $8 // as many as there is room for
	JGE   done
	INCQ  found_count(R10)
	SHLQ  $5, R12
	VMOVDQU TARGET_TYPE(R10), X0
	VMOVDQU X0, found_targets(R10)(R12*1)
	VMOVDQU TARGET_ID(R10), X0
	VMOVDQU X0, (found_targets+16)(R10)(R12*1)

first:
	VPXOR X0, X0, X0
	VMOVDQU X0, TARGET_TYPE(R10)
	VMOVDQU X0, TARGET_ID(R10)
	ANDL  $~const_namesOfTarget, R9
	ANDL  $~const_alone, R13
	TESTL R13, R9
	JZ    once
	JMP   done

notString:
	LEAQ  4(R14), R15
	MOVL  (SI)(R14*1), R12
	CMPL  R12, $0x6c6c756e // null
	JEQ   passed
	CMPL  R12, $0x65757274 // true
	JEQ   passed
	CMPL  R12, $0x736c6166 // fals
	JEQ   isFalse

	// A number of up to 24 characters, such as -89.6501, without an exponent.
	XORL  R12, R12
	CMPL  R11, $0x2d // a minus
	SETEQ R12
	ADDQ  R14, R12 // R12: where the digits begin
	VMOVDQU (SI)(R12*1), Y0
	VPSUBB Y9, Y0, Y0
	VPMINUB Y10, Y0, Y1 // a byte is a digit where it is the smaller one
	VPCMPEQB Y0, Y1, Y1
	VPMOVMSKB Y1, R11
	NOTL  R11           // R11: what is not a digit
	TZCNTL R11, R15     // R15: how many there are
	JCS   done          // 32
	TESTL R15, R15
	JZ    done
	CMPL  R15, $24
	JGT   done
	CMPL  R15, $1
	JEQ   whole
	CMPB  (SI)(R12*1), $0x30 // a zero has nothing behind it
	JEQ   done

whole:
	ADDQ  R12, R15
	CMPB  (SI)(R15*1), $0x2e // a point
	JNE   number
	SUBQ  R15, R12
	NEGQ  R12           // R12: digits before the point
	INCQ  R15           // R15: where those after it begin
	XCHGQ R12, CX
	SHRL  CX, R11
	XCHGQ R12, CX
	SHRL  $1, R11
	TZCNTL R11, R11
	JCS   done          // none behind the 24
	TESTL R11, R11
	JZ    done
	ADDQ  R11, R15

number:
	MOVBLZX (SI)(R15*1), R12
	CMPL  R12, $0x2c // ,
	JEQ   passed
	ORL   $0x20, R12
	CMPL  R12, $0x7d // } or ]
	JEQ   passed
	JMP   done

isFalse:
	INCQ  R15
	CMPB  4(SI)(R14*1), $0x65
	JEQ   passed

done:
	MOVQ  c+0(FP), DI
	MOVQ  AX, 32(DI)
	MOVL  CX, 40(DI)
	MOVL  R9, 44(DI)
	VZEROUPPER
	RET
