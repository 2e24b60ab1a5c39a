import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PreviewOrders } from '@sluice/ingestion';
import type { Response } from 'express';
import { BASE } from '../http/base-path';
import { PREVIEW_EXAMPLE, PreviewBody } from '../ingestions/ingestion.bodies';
import { BODY_PROBLEMS, Problems } from '../openapi/problems';
import { PreviewAnswer } from './preview.answers';
import { Previewer } from './previewer';

@ApiTags('ingestions')
@Controller(`${BASE}/ingestions/preview`)
export class PreviewController {
  constructor(
    private readonly orders: PreviewOrders,
    private readonly previewer: Previewer,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'previewIngestion',
    summary: 'See what files hold before an ingestion is created',
    description:
      'Columns with their types and why, first rows, how much there is, rows that would be refused. Nothing is saved. It takes at most 10 s; what was not looked at by then is told in `warnings`.',
  })
  @ApiBody({
    type: PreviewBody,
    examples: { sample: { summary: 'The bundled weather sample', value: PREVIEW_EXAMPLE } },
  })
  @ApiOkResponse({ type: PreviewAnswer })
  @Problems({
    ...BODY_PROBLEMS,
    400: 'A value of the body is wrong, the source cannot be read, or its files need more memory than a preview may use.',
    429: 'Two previews are under way already.',
  })
  async preview(@Body() body: PreviewBody, @Res({ passthrough: true }) response: Response): Promise<PreviewAnswer> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    return PreviewAnswer.of(await this.previewer.preview(this.orders.order(body), gone.signal));
  }
}
